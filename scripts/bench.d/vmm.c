// The least that boots a 32-bit guest under KVM and shows its serial output: what any virtual machine monitor must do.
// usage: vmm IMAGE: loads it at 1 MiB, enters it at 1 MiB + 32, and ends when the guest executes HLT.
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY = 128 << 20, LOAD = 1 << 20, ENTRY = LOAD + 32, SERIAL = 0x3f8, MAX_LEAVES = 256 };

static int check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

static struct kvm_segment segment(int type, int selector)
{
    return (struct kvm_segment){ .limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .db = 1, .s = 1, .g = 1 };
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fputs("usage: vmm IMAGE\n", stderr);
        return 2;
    }
    int system = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    int run_size = check(ioctl(system, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    int machine = check(ioctl(system, KVM_CREATE_VM, 0), "KVM_CREATE_VM");

    char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        check(-1, "mmap");
    int image = check(open(arguments[1], O_RDONLY | O_CLOEXEC), arguments[1]);
    check(read(image, memory + LOAD, MEMORY - LOAD), arguments[1]);
    close(image);

    struct kvm_userspace_memory_region region = { .memory_size = MEMORY, .userspace_addr = (uintptr_t)memory };
    check(ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    check(ioctl(machine, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
    check(ioctl(machine, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    struct kvm_pit_config timer = { .flags = KVM_PIT_SPEAKER_DUMMY };
    check(ioctl(machine, KVM_CREATE_PIT2, &timer), "KVM_CREATE_PIT2");

    int processor = check(ioctl(machine, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, processor, 0);
    if (run == MAP_FAILED)
        check(-1, "mmap of the vCPU");
    struct kvm_cpuid2 *leaves = calloc(1, sizeof *leaves + MAX_LEAVES * sizeof *leaves->entries);
    leaves->nent = MAX_LEAVES;
    check(ioctl(system, KVM_GET_SUPPORTED_CPUID, leaves), "KVM_GET_SUPPORTED_CPUID");
    check(ioctl(processor, KVM_SET_CPUID2, leaves), "KVM_SET_CPUID2");

    struct kvm_sregs special;
    check(ioctl(processor, KVM_GET_SREGS, &special), "KVM_GET_SREGS");
    special.cs = segment(11, 8);
    special.ds = special.es = special.fs = special.gs = special.ss = segment(3, 16);
    special.cr0 |= 1;
    check(ioctl(processor, KVM_SET_SREGS, &special), "KVM_SET_SREGS");
    struct kvm_regs registers = { .rip = ENTRY, .rflags = 2 };
    check(ioctl(processor, KVM_SET_REGS, &registers), "KVM_SET_REGS");

    for (;;) {
        check(ioctl(processor, KVM_RUN, 0), "KVM_RUN");
        if (run->exit_reason != KVM_EXIT_IO) {
            fprintf(stderr, "vmm: exit reason %u\n", run->exit_reason);
            return 1;
        }
        const char *data = (const char *)run + run->io.data_offset;
        if (run->io.port == SERIAL && run->io.direction == KVM_EXIT_IO_OUT)
            check(write(STDOUT_FILENO, data, run->io.size), "standard output");
    }
}
