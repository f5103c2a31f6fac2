// The fields of `struct kvm_run`, whose unions Swift would copy whole.
#pragma once

#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

struct caisson_port_access {
    uint64_t offset;
    uint32_t count;
    uint16_t port;
    uint8_t width;
    uint8_t is_write;
};

struct caisson_mmio_access {
    uint64_t address;
    uint64_t value;
    uint32_t width;
    uint8_t is_write;
};

struct caisson_msr_access {
    uint64_t value;
    uint32_t index;
};

// KVM_RUN: 0, or the negative errno. The system call itself: a guest's exits come so often that the C library's way
// there, two calls more and errno, shows.
static inline int caisson_run_vcpu(int vcpu)
{
    register long result __asm__("rax") = SYS_ioctl;
    __asm__ volatile("syscall"
                     : "+r"(result)
                     : "D"((long)vcpu), "S"((unsigned long)KVM_RUN), "d"(0ul)
                     : "rcx", "r11", "memory");
    return (int)result;
}

static inline uint32_t caisson_exit_reason(const struct kvm_run *run) { return run->exit_reason; }

static inline struct caisson_port_access caisson_exit_port(const struct kvm_run *run)
{
    struct caisson_port_access access = {
        run->io.data_offset, run->io.count, run->io.port, run->io.size, run->io.direction == KVM_EXIT_IO_OUT,
    };
    return access;
}

static inline struct caisson_mmio_access caisson_exit_mmio(const struct kvm_run *run)
{
    struct caisson_mmio_access access = { run->mmio.phys_addr, 0, run->mmio.len, run->mmio.is_write };
    memcpy(&access.value, run->mmio.data, sizeof access.value);
    return access;
}

static inline void caisson_answer_mmio(struct kvm_run *run, uint64_t value)
{
    memcpy(run->mmio.data, &value, sizeof value);
}

static inline struct caisson_msr_access caisson_exit_msr(const struct kvm_run *run)
{
    struct caisson_msr_access access = { run->msr.data, run->msr.index };
    return access;
}

static inline void caisson_answer_msr(struct kvm_run *run, uint64_t value, uint8_t is_refused)
{
    run->msr.data = value;
    run->msr.error = is_refused;
}

static inline uint32_t caisson_exit_system_event(const struct kvm_run *run) { return run->system_event.type; }
static inline uint32_t caisson_exit_suberror(const struct kvm_run *run) { return run->internal.suberror; }
static inline uint64_t caisson_exit_entry_failure(const struct kvm_run *run)
{
    return run->fail_entry.hardware_entry_failure_reason;
}

// Stores the bytes of the instruction that KVM's emulator gave up on, at most 15, and returns their number: 0 where
// the kernel does not tell them.
static inline uint8_t caisson_exit_instruction(const struct kvm_run *run, uint8_t bytes[15])
{
    // `flags` is the first of the data, the instruction takes two more.
    if (run->emulation_failure.ndata < 3 ||
        !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) ||
        run->emulation_failure.insn_size > 15)
        return 0;
    memcpy(bytes, run->emulation_failure.insn_bytes, 15);
    return run->emulation_failure.insn_size;
}

static inline uint8_t *caisson_immediate_exit(struct kvm_run *run) { return &run->immediate_exit; }
static inline void caisson_synchronize_registers(struct kvm_run *run, uint64_t set) { run->kvm_valid_regs = set; }
static inline void caisson_set_dirty_registers(struct kvm_run *run, uint64_t set) { run->kvm_dirty_regs |= set; }
static inline struct kvm_regs *caisson_run_registers(struct kvm_run *run) { return &run->s.regs.regs; }
static inline struct kvm_sregs *caisson_run_special_registers(struct kvm_run *run) { return &run->s.regs.sregs; }
