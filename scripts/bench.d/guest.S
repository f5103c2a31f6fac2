# The benchmark's guest: says A, makes EXITS accesses to the serial port's scratch register, says B, and stands still.
# It starts by multiboot, by PVH, or where a monitor jumps to its entry, always in 32-bit protected mode at 1 MiB.
	.code32
	.text
image:
	.long 0x1badb002, 1 << 16, -(0x1badb002 + (1 << 16))
	.long image, image, 0, 0, _start
	.org 32
	.globl _start
_start:
	mov $0x3f8, %dx
	mov $'A', %al
	out %al, %dx
	mov $0x3ff, %dx
	mov $EXITS, %ecx
	jecxz 2f
1:	out %al, %dx
	dec %ecx
	jnz 1b
2:	mov $0x3f8, %dx
	mov $'B', %al
	out %al, %dx
3:	jmp 3b

	.section .note.pvh, "a"
	.long 4, 4, 18
	.asciz "Xen"
	.long _start
