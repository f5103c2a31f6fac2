# A guest's kernel that tries what a kernel and its programs rely on, and says of each on the serial port whether it is as
# the processor's manual says: SYSCALL, `int n`, exceptions, page faults, and instructions that an emulator may lack.
        .set DATA, 0x40000000           # a page that is mapped by and by
        .set KERNEL, 0x80000000
        .code64
        .text
        .globl _start
_start: cli
        lea stack_top(%rip), %rsp
        # Page tables: the first GiB for everybody, and one table of small pages behind it.
        lea pml4(%rip), %rdi
        lea pdpt(%rip), %rax
        or $7, %rax
        mov %rax, (%rdi)
        lea pdpt(%rip), %rdi
        lea pd0(%rip), %rax
        or $7, %rax
        mov %rax, (%rdi)
        lea pd1(%rip), %rax
        or $7, %rax
        mov %rax, 8(%rdi)
        # KERNEL on: the first GiB again, as a kernel has it: closed to user mode.
        lea pd0(%rip), %rax
        or $3, %rax
        mov %rax, 16(%rdi)
        lea pd0(%rip), %rdi
        mov $0x87, %eax
        mov $512, %ecx
1:      mov %rax, (%rdi)
        add $0x200000, %rax
        add $8, %rdi
        loop 1b
        lea pt(%rip), %rax
        or $7, %rax
        mov %rax, pd1(%rip)
        # SSE, and no-execute.
        mov %cr4, %rax
        or $0x600, %rax
        mov %rax, %cr4
        mov $0xc0000080, %ecx
        rdmsr
        or $0x801, %eax
        wrmsr
        lea pml4(%rip), %rax
        mov %rax, %cr3
        # GDT, TSS, IDT.
        lea tss(%rip), %rax
        mov %ax, gdt_tss+2(%rip)
        shr $16, %rax
        mov %al, gdt_tss+4(%rip)
        mov %ah, gdt_tss+7(%rip)
        lea kernel_stack_top(%rip), %rax
        mov %rax, tss+4(%rip)
        lgdt gdt_pointer(%rip)
        push $8
        lea 1f(%rip), %rax
        push %rax
        lretq
1:      mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $0x28, %eax
        ltr %ax
        lea idt(%rip), %rdi
        lea stubs(%rip), %rsi
        xor %ecx, %ecx
2:      mov %rsi, %rax
        mov %ax, (%rdi)
        movw $8, 2(%rdi)
        movw $0x8e00, 4(%rdi)
        shr $16, %rax
        mov %ax, 6(%rdi)
        add $16, %rdi
        add $16, %rsi
        inc %ecx
        cmp $0x40, %ecx
        jne 2b
        movb $0xee, idt+16*3+5(%rip)
        movb $0xee, idt+16*0x30+5(%rip)
        movb $0xef, idt+16*0x31+5(%rip)
        lidt idt_pointer(%rip)
        # SYSCALL: kernel 0x08, 0x10; user 0x23, 0x1b.
        mov $0xc0000081, %ecx
        xor %eax, %eax
        mov $0x00130008, %edx
        wrmsr
        mov $0xc0000084, %ecx
        mov $0x00047700, %eax
        xor %edx, %edx
        wrmsr
        mov $0xc0000102, %ecx
        lea percpu(%rip), %rax
        xor %edx, %edx
        wrmsr

        # ---- helpers ------------------------------------------------------------------
        .macro SAY text
        .section .rodata
9:      .asciz "\text"
        .text
        lea 9b(%rip), %rsi
        call say
        .endm
        # Whether a value is what it has to be.
        .macro CHECK name, got, want
        push %rbx
        push %rdx
        push \got
        mov \want, %rax
        push %rax
        SAY "\name"
        pop %rcx
        pop %rax
        call verdict
        pop %rdx
        pop %rbx
        .endm
        # Runs user code until an exception, and goes on behind.
        .macro USER code
        lea 8f(%rip), %rax
        mov %rax, resume(%rip)
        mov %rsp, resume_stack(%rip)
        lea \code(%rip), %rax
        pushq $0x1b
        lea user_stack_top(%rip), %rcx
        push %rcx
        pushq $0x202
        pushq $0x23
        push %rax
        iretq
8:
        .endm
        # Where an exception of the code that follows goes on.
        .macro TRAP label
        lea \label(%rip), %rax
        mov %rax, resume(%rip)
        mov %rsp, resume_stack(%rip)
        .endm
        .macro EXPECT name, vector, error, rip, cs
        CHECK "\name vector", vector(%rip), $\vector
        CHECK "\name error", error(%rip), $\error
        lea \rip(%rip), %rdx
        CHECK "\name rip", frame(%rip), %rdx
        CHECK "\name cs", frame+8(%rip), $\cs
        .endm

        # ---- SYSCALL ------------------------------------------------------------------
        .macro SYSCALLS name, entry
        mov $0xc0000082, %ecx
        mov $KERNEL + \entry, %eax
        xor %edx, %edx
        wrmsr
        movq $0, calls(%rip)
        USER user_call
        CHECK "\name ends", vector(%rip), $6
        CHECK "\name count", calls(%rip), $200
        lea user_called(%rip), %rdx
        CHECK "\name rcx", seen_rcx(%rip), %rdx
        CHECK "\name r11", seen_r11(%rip), $0x203
        CHECK "\name flags", seen_flags(%rip), $0x003
        CHECK "\name cs", seen_cs(%rip), $8
        CHECK "\name rdi", seen_rdi(%rip), $0x12345678
        CHECK "\name rsp", seen_rsp(%rip), $user_stack_top-16
        CHECK "\name user rsp", frame+24(%rip), $user_stack_top-16
        CHECK "\name user ss", frame+32(%rip), $0x1b
        CHECK "\name user cs", frame+8(%rip), $0x23
        CHECK "\name user rbp", seen_rbp(%rip), $0x77
        .endm
        SYSCALLS "syscall by gs", entry_by_gs
        SYSCALLS "plain syscall", entry_plain

        # ---- int n --------------------------------------------------------------------
        USER user_int30
        EXPECT "user int", 0x30, 0, user_int30_end, 0x23
        CHECK "user int rsp", frame+24(%rip), $user_stack_top
        CHECK "user int ss", frame+32(%rip), $0x1b
        CHECK "user int rflags", frame+16(%rip), $0x203
        CHECK "user int stack", handler_rsp(%rip), $kernel_stack_top-40
        CHECK "user int clears IF", handler_flags(%rip), $0x003
        CHECK "user int handler cs", handler_cs(%rip), $8
        USER user_int31
        EXPECT "user trap gate", 0x31, 0, user_int31_end, 0x23
        CHECK "user trap gate keeps IF", handler_flags(%rip), $0x202
        USER user_int32
        EXPECT "user int refused", 13, 0x192, user_int32, 0x23
        USER user_int3
        EXPECT "user int3", 3, 0, user_int3_end, 0x23
        TRAP 1f
        xor %eax, %eax
        int $0x30
1:      EXPECT "kernel int", 0x30, 0, 1b, 8
        TRAP 1f
        int3
1:      EXPECT "kernel int3", 3, 0, 1b, 8
        # An interrupted kernel goes on where it was.
        movb $1, return_at_once(%rip)
        mov $0x1234, %ebx
        int $0x30
        movb $0, return_at_once(%rip)
        CHECK "kernel int returns", %rbx, $0x1234

        # ---- exceptions ---------------------------------------------------------------
        USER user_ud2
        EXPECT "user ud2", 6, 0, user_ud2, 0x23
        USER user_divide
        EXPECT "user division", 0, 0, user_divide_at, 0x23
        USER user_canonical
        EXPECT "user canonical", 13, 0, user_canonical_at, 0x23
        USER user_hlt
        EXPECT "user hlt", 13, 0, user_hlt, 0x23
        TRAP 1f
        xor %edx, %edx
        mov $1, %eax
        xor %ecx, %ecx
k_div:  div %ecx
1:      EXPECT "kernel division", 0, 0, k_div, 8
        TRAP 1f
k_ud2:  ud2
1:      EXPECT "kernel ud2", 6, 0, k_ud2, 8
        TRAP 1f
        mov $0x8000000000000000, %rdi
k_canonical: mov (%rdi), %rax
1:      EXPECT "kernel canonical", 13, 0, k_canonical, 8

        # ---- page faults --------------------------------------------------------------
        movq $0, pt(%rip)
        mov $DATA, %rdi
        invlpg (%rdi)
        USER user_read
        EXPECT "user read", 14, 4, user_read_at, 0x23
        CHECK "user read cr2", seen_cr2(%rip), $DATA+8
        USER user_write
        EXPECT "user write", 14, 6, user_write_at, 0x23
        TRAP 1f
        mov $DATA, %rdi
k_read: mov 16(%rdi), %rax
1:      EXPECT "kernel read", 14, 0, k_read, 8
        CHECK "kernel read cr2", seen_cr2(%rip), $DATA+16
        TRAP 1f
        mov $DATA, %rdi
k_write: mov %rax, 24(%rdi)
1:      EXPECT "kernel write", 14, 2, k_write, 8
        # The handler maps the page, and the instruction is done again.
        movb $1, map_on_fault(%rip)
        movq $0x5a5a, page(%rip)
        USER user_load
        CHECK "user load again ends", vector(%rip), $6
        CHECK "user load again", seen_rbp(%rip), $0x5a5a
        movq $0, pt(%rip)
        mov $DATA, %rdi
        invlpg (%rdi)
        movq $0x6b6b, page(%rip)
        mov (%rdi), %rbx
        CHECK "kernel load again", %rbx, $0x6b6b
        movq $0, pt(%rip)
        mov $DATA, %rdi
        invlpg (%rdi)
        movq $5, page(%rip)
        incq (%rdi)
        movb $0, map_on_fault(%rip)
        CHECK "kernel increment again", page(%rip), $6
        # Mapped, to be read only and not to be executed.
        lea page(%rip), %rax
        or $5, %rax
        bts $63, %rax
        mov %rax, pt(%rip)
        mov $DATA, %rdi
        invlpg (%rdi)
        USER user_write
        EXPECT "user write protected", 14, 7, user_write_at, 0x23
        movb $0xc3, page(%rip)
        USER user_jump
        CHECK "user fetch vector", vector(%rip), $14
        CHECK "user fetch error", error(%rip), $0x15
        CHECK "user fetch cr2", seen_cr2(%rip), $DATA

        # ---- instructions that an emulator may lack, at CPL 0 ---------------------------
        .macro NEEDS leaf, register, bit, skip
        mov $\leaf, %eax
        xor %ecx, %ecx
        cpuid
        bt $\bit, \register
        jnc \skip
        .endm
        NEEDS 1, %ecx, 23, 1f
        mov $0xf0f0f0f0f0f0f0f0, %rcx
        stc
        popcnt %rcx, %rbx
        pushf
        pop %rdx
        and $0x8d5, %edx
        CHECK "popcnt", %rbx, $32
        CHECK "popcnt flags", %rdx, $0
        xor %ecx, %ecx
        popcnt %ecx, %ebx
        pushf
        pop %rdx
        and $0x8d5, %edx
        CHECK "popcnt of 0", %rbx, $0
        CHECK "popcnt of 0 flags", %rdx, $0x40
1:      NEEDS 1, %ecx, 13, 1f
        movq $1, wide(%rip)
        movq $2, wide+8(%rip)
        mov $1, %eax
        mov $2, %edx
        mov $3, %ebx
        mov $4, %ecx
        lock cmpxchg16b wide(%rip)
        setz %bl
        movzx %bl, %edx
        CHECK "cmpxchg16b equal", %rdx, $1
        CHECK "cmpxchg16b low", wide(%rip), $3
        CHECK "cmpxchg16b high", wide+8(%rip), $4
        mov $9, %eax
        mov $9, %edx
        mov $7, %ebx
        mov $7, %ecx
        lock cmpxchg16b wide(%rip)
        setz %bl
        mov %rax, seen_rdi(%rip)
        mov %rdx, seen_rbp(%rip)
        movzx %bl, %edx
        CHECK "cmpxchg16b other", %rdx, $0
        CHECK "cmpxchg16b rax", seen_rdi(%rip), $3
        CHECK "cmpxchg16b rdx", seen_rbp(%rip), $4
        CHECK "cmpxchg16b kept", wide(%rip), $3
1:      NEEDS 7, %ebx, 20, 1f
        stac
        pushf
        pop %rbx
        clac
        pushf
        pop %rdx
        and $0x40000, %ebx
        and $0x40000, %edx
        mov %rdx, seen_rdi(%rip)
        CHECK "stac", %rbx, $0x40000
        CHECK "clac", seen_rdi(%rip), $0
1:      movl $0x1fa0, wide(%rip)
        ldmxcsr wide(%rip)
        movq $0, wide(%rip)
        stmxcsr wide(%rip)
        CHECK "mxcsr", wide(%rip), $0x1fa0
        fninit
        fwait
        fld1
        fld1
        faddp
        fistpl wide(%rip)
        mov wide(%rip), %ebx
        CHECK "x87", %rbx, $2
        mov $0x1122334455667788, %rbx
        movq %rbx, %xmm3
        fxsave area(%rip)
        pxor %xmm3, %xmm3
        fxrstor area(%rip)
        movq %xmm3, %rbx
        CHECK "fxsave", %rbx, $0x1122334455667788
        NEEDS 1, %ecx, 26, 1f
        mov %cr4, %rax
        bts $18, %rax
        mov %rax, %cr4
        xor %ecx, %ecx
        xor %edx, %edx
        mov $3, %eax
        xsetbv
        xgetbv
        CHECK "xcr0", %rax, $3
        mov $0x99aabbccddeeff00, %rbx
        movq %rbx, %xmm5
        mov $3, %eax
        xor %edx, %edx
        xsave area(%rip)
        pxor %xmm5, %xmm5
        mov $3, %eax
        xor %edx, %edx
        xrstor area(%rip)
        movq %xmm5, %rbx
        CHECK "xsave", %rbx, $0x99aabbccddeeff00
1:      NEEDS 1, %ecx, 20, 1f
        mov $0xffffffff, %ebx
        mov $0x41, %cl
        crc32b %cl, %ebx
        not %ebx
        CHECK "crc32", %rbx, $0xe16dcdee
1:      NEEDS 7, %ebx, 3, 1f
        mov $0x50, %ecx
        tzcnt %ecx, %ebx
        CHECK "tzcnt", %rbx, $4
        mov $0xff, %ecx
        mov $0x0f, %edx
        andn %rcx, %rdx, %rbx
        CHECK "andn", %rbx, $0xf0
1:      SAY "end\n"
finish:
        mov $0x600, %dx
        mov $0x34, %al
        out %al, %dx
3:      hlt
        jmp 3b

        # ---- code for user mode -------------------------------------------------------
user_call:
        mov $200, %ebx
        mov $0x77, %ebp
        sub $16, %rsp
1:      mov $0x12345678, %edi
        push $0x203
        popf
        syscall
user_called:
        mov %rbp, seen_rbp(%rip)
        dec %ebx
        jnz 1b
        ud2
user_int30: push $0x203
        popf
        int $0x30
user_int30_end: ud2
user_int31: push $0x202
        popf
        int $0x31
user_int31_end: ud2
user_int32: int $0x32
user_int3: int3
user_int3_end: ud2
user_ud2: ud2
user_divide: xor %edx, %edx
        mov $1, %eax
        xor %ecx, %ecx
user_divide_at: div %ecx
user_canonical: mov $0x8000000000000000, %rdi
user_canonical_at: mov (%rdi), %rax
user_hlt: hlt
user_read: mov $DATA, %edi
user_read_at: mov 8(%rdi), %rax
user_write: mov $DATA, %edi
user_write_at: mov %rax, 8(%rdi)
user_load: mov $DATA, %edi
        mov (%rdi), %rax
        mov %rax, seen_rbp(%rip)
        ud2
user_jump: mov $DATA, %edi
        jmp *%rdi

        # ---- SYSCALL's targets ----------------------------------------------------------
        .macro NOTE
        mov %rcx, seen_rcx(%rip)
        mov %r11, seen_r11(%rip)
        mov %rdi, seen_rdi(%rip)
        pushf
        popq seen_flags(%rip)
        mov %cs, seen_cs(%rip)
        incq calls(%rip)
        .endm
        .balign 16
entry_by_gs:
        swapgs
        mov %rsp, %gs:8
        mov %gs:0, %rsp
        NOTE
        mov %gs:8, %rsp
        mov %rsp, seen_rsp(%rip)
        swapgs
        sysretq
        .balign 16
entry_plain:
        mov %rsp, seen_rsp(%rip)
        lea kernel_stack_top(%rip), %rsp
        NOTE
        mov seen_rsp(%rip), %rsp
        sysretq

        # ---- exceptions -------------------------------------------------------------------
        .balign 16
stubs:  .set number, 0
        .rept 0x40
        .balign 16
        .if !(number == 8 || (number >= 10 && number <= 14) || number == 17)
        push $0
        .endif
        push $number
        jmp common
        .set number, number + 1
        .endr
common: push %rax
        push %rdx
        mov 8*2(%rsp), %rax
        mov %rax, vector(%rip)
        mov 8*3(%rsp), %rax
        mov %rax, error(%rip)
        lea 8*4(%rsp), %rax
        mov %rax, handler_rsp(%rip)
        .irp slot, 0, 8, 16, 24, 32
        mov 8*4+\slot(%rsp), %rax
        mov %rax, frame+\slot(%rip)
        .endr
        mov %cr2, %rax
        mov %rax, seen_cr2(%rip)
        movq $0, handler_cs(%rip)
        mov %cs, handler_cs(%rip)
        pushf
        pop %rax
        and $0xffffffffffffff2b, %rax    # less the flags that arithmetic leaves
        mov %rax, handler_flags(%rip)
        cmpb $1, return_at_once(%rip)
        je back
        cmpb $1, map_on_fault(%rip)
        jne leave
        cmpq $14, vector(%rip)
        jne leave
        lea page(%rip), %rax
        or $7, %rax
        mov %rax, pt(%rip)
back:   pop %rdx
        pop %rax
        add $16, %rsp
        iretq
leave:  mov resume_stack(%rip), %rsp
        mov resume(%rip), %rax
        lea unexpected(%rip), %rdx
        mov %rdx, resume(%rip)
        jmp *%rax
unexpected:
        CHECK "unexpected exception", vector(%rip), $-1
        CHECK "at", frame(%rip), $-1
        jmp finish

        # ---- serial port ------------------------------------------------------------------
say:    mov $0x3f8, %edx
1:      lodsb
        test %al, %al
        jz 2f
        out %al, %dx
        jmp 1b
2:      ret
        # rax: got, rcx: want
verdict: cmp %rax, %rcx
        jne 1f
        lea ok(%rip), %rsi
        jmp say
1:      push %rcx
        push %rax
        lea bad(%rip), %rsi
        call say
        pop %rax
        call hex
        lea want(%rip), %rsi
        call say
        pop %rax
        call hex
        lea newline(%rip), %rsi
        jmp say
hex:    mov %rax, %rbx
        mov $16, %ecx
        mov $0x3f8, %edx
1:      rol $4, %rbx
        mov %bl, %al
        and $15, %al
        add $'0', %al
        cmp $'9', %al
        jbe 2f
        add $39, %al
2:      out %al, %dx
        loop 1b
        ret
        .section .rodata
ok:     .asciz ": ok\n"
bad:    .asciz ": is "
want:   .asciz ", has to be "
newline: .asciz "\n"

        .data
        .balign 16
gdt:    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff
gdt_tss: .quad 0x0000890000000067, 0
gdt_pointer: .word 7*8-1
        .quad gdt
idt_pointer: .word 0x40*16-1
        .quad idt
percpu: .quad kernel_stack_top, 0
        .balign 16
wide:   .quad 0, 0
resume: .quad unexpected
resume_stack: .quad 0
vector: .quad 0
error:  .quad 0
frame:  .quad 0, 0, 0, 0, 0
seen_cr2: .quad 0
handler_rsp: .quad 0
handler_flags: .quad 0
handler_cs: .quad 0
seen_rcx: .quad 0
seen_r11: .quad 0
seen_rdi: .quad 0
seen_rbp: .quad 0
seen_rsp: .quad 0
seen_flags: .quad 0
seen_cs: .quad 0
calls:  .quad 0
map_on_fault: .byte 0
return_at_once: .byte 0
        .bss
        .balign 4096
pml4:   .skip 4096
pdpt:   .skip 4096
pd0:    .skip 4096
pd1:    .skip 4096
pt:     .skip 4096
page:   .skip 4096
idt:    .skip 0x40*16
tss:    .skip 0x68
        .balign 64
area:   .skip 4096
        .balign 16
        .skip 4096
stack_top:
        .skip 4096
kernel_stack_top:
        .skip 4096
user_stack_top:
        .skip 16
