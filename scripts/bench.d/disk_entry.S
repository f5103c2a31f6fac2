# Where the disk benchmark's guest starts, by multiboot; the rest is disk.c. It is linked first, to 1 MiB.
	.code32
	.text
image:
	.long 0x1badb002, 1 << 16, -(0x1badb002 + (1 << 16))
	.long image, image, 0, 0, _start
	.globl _start
_start:
	mov $0x200000, %esp
	call start
	.section .note.GNU-stack, "", @progbits
