// What is done for a guest by the host's processor itself: locked operations on guest memory, and single instructions
// on a copy of the guest's registers.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Sets bits of a byte in one locked operation.
static inline void caisson_set_bits_8(void *p, uint8_t bits) { __atomic_fetch_or((uint8_t *)p, bits, __ATOMIC_SEQ_CST); }

// Compares the 16 bytes at `p`, aligned to 16, with `expected` and, if they are equal, replaces them by `desired`, in one
// locked operation. Returns 1 if they were; otherwise stores what they are in `expected` and returns 0.
// -ENOSYS where the processor cannot.
int caisson_compare_exchange_16(void *p, uint64_t expected[2], const uint64_t desired[2]);

// Executes single unprivileged instructions on registers of its own. One engine belongs to one thread at a time.
struct caisson_native;

// Makes an engine. Returns 0 or the negative errno; -ENOSYS where this processor or build has none.
int caisson_native_create(struct caisson_native **engine);
void caisson_native_destroy(struct caisson_native *engine);

// 16 general registers by number and RFLAGS, of which only the arithmetic flags and DF are taken and given back.
uint64_t *caisson_native_registers(struct caisson_native *engine);
// 4096 bytes in XSAVE's standard format.
void *caisson_native_extended_state(struct caisson_native *engine);
// The XSAVE components that the engine can carry (a subset of XCR0).
uint64_t caisson_native_components(const struct caisson_native *engine);

// Two pages that stand for the two pages of guest memory that an operand can lie on, with nothing mapped around them.
void *caisson_native_window(struct caisson_native *engine);
// What the instruction may do to each: PROT_NONE, PROT_READ or PROT_READ | PROT_WRITE. Returns 0 or the negative errno.
int caisson_native_protect(struct caisson_native *engine, int first, int second);
// An address with 16 KiB of nothing mapped on either side.
uint64_t caisson_native_void(const struct caisson_native *engine);

// The addresses that the engine's code, state and window take.
struct caisson_native_region {
    uint64_t start, end;
};
struct caisson_native_region caisson_native_region(const struct caisson_native *engine);

struct caisson_native_fault {
    uint32_t vector;
    uint32_t error_code;
    uint64_t address;
};

// Between these two, the thread's signals are blocked, except those of faults.
int caisson_native_begin(struct caisson_native *engine);
void caisson_native_end(struct caisson_native *engine);

// Executes one instruction of at most 15 bytes. `components`: which parts of the extended state it is given and may
// change; 0 for an instruction that touches general registers only. Returns 0; 1 when it faulted, and nothing but
// the window may have changed; or the negative errno.
//
// The caller has made sure that the instruction is unprivileged, transfers no control and uses no memory but the
// window. Any fault is caught.
int caisson_native_execute(struct caisson_native *engine, const uint8_t *code, size_t length, uint64_t components,
                           struct caisson_native_fault *fault);

// For whoever installs a handler for a fault's signal, with the handler's siginfo_t and context: whether the fault is an
// engine's instruction's, which goes on when the handler returns.
int caisson_native_takes_fault(const void *information, void *state);
