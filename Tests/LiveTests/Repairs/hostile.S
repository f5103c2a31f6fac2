# A guest that does to its virtio devices what it likes: writes of any width to any register, rings full of nonsense, drivers
# that start and stop in the middle of requests. It ends, if it still can, with a letter and the power.
        .set WINDOWS, 0xd0000000
        .set AREA, 0x400000             # rings and buffers of all devices: 2 MiB
        .code64
        .text
        .globl _start
_start: cli
        mov $0x300000, %rsp
        mov $SEED, %r15
        mov $ROUNDS, %r14d
round:  call random
        and $15, %eax
        shl $12, %eax
        mov $WINDOWS, %edi
        add %rax, %rdi
        call random
        mov %eax, %ecx
        and $7, %ecx
        mov actions(, %rcx, 8), %rbx
        call *%rbx
        dec %r14d
        jnz round
        mov $0x3f8, %edx
        mov $'E', %al
        out %al, %dx
        mov $0x600, %edx
        mov $0x34, %al
        out %al, %dx
1:      hlt
        jmp 1b

# rax: the next number (xorshift).
random: mov %r15, %rax
        shl $13, %rax
        xor %rax, %r15
        mov %r15, %rax
        shr $7, %rax
        xor %rax, %r15
        mov %r15, %rax
        shl $17, %rax
        xor %rax, %r15
        mov %r15, %rax
        shr $11, %rax
        ret

# rsi: a register of the window at rdi.
choose: call random
        and $0x1fc, %eax
        lea (%rdi, %rax), %rsi
        ret

write_any:
        call choose
        call random
        mov %eax, (%rsi)
        ret
write_small:
        call choose
        call random
        and $0xff, %eax
        mov %eax, (%rsi)
        ret
read_any:
        call choose
        mov (%rsi), %eax
        ret
write_narrow:
        call random
        and $0xffe, %eax
        lea (%rdi, %rax), %rsi
        call random
        mov %al, (%rsi)
        mov %ax, (%rsi)
        ret
notify: call random
        and $7, %eax
        mov %eax, 0x50(%rdi)
        ret

# As a driver would, with queues that lie over each other.
set_up: movl $0, 0x70(%rdi)
        movl $1, 0x70(%rdi)
        movl $3, 0x70(%rdi)
        movl $1, 0x24(%rdi)
        movl $1, 0x20(%rdi)
        movl $0, 0x24(%rdi)
        movl $0, 0x14(%rdi)
        mov 0x10(%rdi), %ebx
        call random
        and %eax, %ebx
        mov %ebx, 0x20(%rdi)
        movl $0xb, 0x70(%rdi)
        xor %r8d, %r8d
1:      mov %r8d, 0x30(%rdi)
        call random
        mov %eax, %ecx
        and $7, %ecx
        mov $1, %ebx
        shl %cl, %ebx
        mov %ebx, 0x38(%rdi)
        mov $0x80, %r9d
2:      call random
        and $0x1ff0, %eax
        add $AREA, %eax
        mov %eax, (%rdi, %r9)
        movl $0, 4(%rdi, %r9)
        add $0x10, %r9d
        cmp $0xb0, %r9d
        jne 2b
        movl $1, 0x44(%rdi)
        inc %r8d
        cmp $8, %r8d
        jne 1b
        movl $0xf, 0x70(%rdi)
        ret

scribble:
        mov $32, %r8d
1:      call random
        mov %rax, %rsi
        and $0x3ff8, %esi
        call random
        mov %rax, AREA(%rsi)
        dec %r8d
        jnz 1b
        ret

# Descriptors that are likely to be sound, and an index that is a little ahead.
describe:
        mov $16, %r8d
1:      call random
        mov %rax, %rsi
        and $0x1ff0, %esi
        call random
        and $0x1fffff, %eax
        add $AREA, %rax
        mov %rax, AREA(%rsi)
        call random
        and $0x3ffff, %eax
        mov %eax, AREA+8(%rsi)
        call random
        and $0x003f0007, %eax
        mov %eax, AREA+12(%rsi)
        call random
        mov %rax, %rsi
        and $0x1ff0, %esi
        incw AREA+2(%rsi)
        dec %r8d
        jnz 1b
        ret

        .balign 8
actions:
        .quad write_any, write_small, read_any, write_narrow, notify, set_up, scribble, describe
