# A guest's kernel that starts three more processors, as the first of four (Intel SDM 3, 8.4.4): each says its APIC id
# and counts up to 1000 together with the others.
# SPIN, FAULT, HALT and RESET choose how the first ends; the others are busy with SPIN and RESET, and halt otherwise.
        .ifdef SPIN
        .set BUSY, 1
        .endif
        .ifdef RESET
        .set BUSY, 1
        .endif
        .code64
        .text
        .globl _start
_start: lea stack_top(%rip), %rsp
        # The others begin in real mode, in a page below 1 MiB.
        lea trampoline(%rip), %rsi
        mov $0x8000, %edi
        mov $trampoline_end - trampoline, %ecx
        cld
        rep movsb
        mov $0xfee00000, %ebx
        movl $0x000c4500, 0x300(%rbx)   # INIT to all others
        call pause_a_while
        movl $0x000c4608, 0x300(%rbx)   # start up at 0x8000
        call pause_a_while
        movl $0x000c4608, 0x300(%rbx)
        call work
1:      pause
        cmpl $4, done(%rip)
        jne 1b
        mov $0x3f8, %edx
        movzwl ids(%rip), %eax
        add $'0', %al                   # 0 to 3 make bits 0 to 3: 15, '?'
        out %al, %dx
        mov counter(%rip), %eax
        cmp $4000, %eax
        mov $'y', %al
        je 2f
        mov $'n', %al
2:      out %al, %dx
        mov $'\n', %al
        out %al, %dx
        .ifdef RESET
        mov $0xcf9, %dx
        mov $0x06, %al
        out %al, %dx
        .endif
        .ifdef SPIN
3:      jmp 3b
        .endif
        .ifdef FAULT
        lidt none(%rip)
        ud2
        .endif
        .ifdef HALT
        cli
4:      hlt
        jmp 4b
        .endif
        mov $0x600, %dx
        mov $0x34, %al
        out %al, %dx
5:      hlt
        jmp 5b

pause_a_while:
        mov $20000, %ecx
1:      pause
        loop 1b
        ret

# Sets a bit by the processor's id, and counts.
work:   mov $1, %eax
        push %rbx
        cpuid
        mov %ebx, %ecx
        pop %rbx
        shr $24, %ecx
        mov $1, %eax
        shl %cl, %eax
        lock or %ax, ids(%rip)
        mov $1000, %ecx
1:      lock incl counter(%rip)
        loop 1b
        lock incl done(%rip)
        ret

        .code16
trampoline:
        cli
        xor %ax, %ax
        mov %ax, %ds
        lgdtl 0x8000 + gdt_pointer - trampoline
        mov %cr0, %eax
        or $1, %eax
        mov %eax, %cr0
        ljmpl $8, $0x8000 + protected - trampoline
        .code32
protected:
        mov $16, %eax
        mov %eax, %ds
        mov %eax, %ss
        # On to 64-bit mode, on the first processor's page tables and a stack of its own.
        mov %cr4, %eax
        or $0x20, %eax
        mov %eax, %cr4
        mov $0x9000, %eax               # where the loader put them
        mov %eax, %cr3
        mov $0xc0000080, %ecx
        rdmsr
        or $0x100, %eax
        wrmsr
        mov %cr0, %eax
        or $0x80000000, %eax
        mov %eax, %cr0
        ljmpl $24, $long_mode
        .balign 8
gdt:    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
gdt_pointer: .word 4*8-1
        .long 0x8000 + gdt - trampoline
trampoline_end:
        .code64
long_mode:
        mov $1, %eax
        lock xadd %eax, started(%rip)
        inc %eax
        shl $12, %eax
        lea stacks(%rip), %rsp
        add %rax, %rsp
        call work
        .ifdef BUSY
1:      jmp 1b
        .endif
        cli
2:      hlt
        jmp 2b

        .data
none:   .word 0
        .quad 0
        .balign 4
ids:    .long 0
counter: .long 0
done:   .long 0
started: .long 0
        .bss
        .balign 4096
        .skip 4096
stack_top:
stacks: .skip 4 * 4096
