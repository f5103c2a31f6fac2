// The code that a native engine's instructions run in, and what it shares with the engine.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Bytes of the place for the instruction.
#define SLOT 32

// What the code page finds in the page behind it, at these offsets.
struct context {
    uint64_t registers[16];  // 0x00
    uint64_t rflags;         // 0x80
    uint64_t host_rsp;       // 0x88
    uint64_t components;     // 0x90
    uint32_t host_mxcsr;     // 0x98
    uint16_t host_fcw;       // 0x9c
    uint16_t padding;
    // What iretq pops.
    uint64_t rip, cs, flags, rsp, ss;  // 0xa0
    uint64_t has_avx;                  // 0xc8
};
_Static_assert(offsetof(struct context, rflags) == 0x80 && offsetof(struct context, host_rsp) == 0x88 &&
                   offsetof(struct context, components) == 0x90 && offsetof(struct context, host_mxcsr) == 0x98 &&
                   offsetof(struct context, host_fcw) == 0x9c && offsetof(struct context, rip) == 0xa0 &&
                   offsetof(struct context, has_avx) == 0xc8,
               "native_template.c uses these offsets");

extern const uint8_t caisson_template[] __attribute__((visibility("hidden")));
extern const uint8_t caisson_template_slot[] __attribute__((visibility("hidden")));
extern const uint8_t caisson_template_fault[] __attribute__((visibility("hidden")));
extern const uint8_t caisson_template_end[] __attribute__((visibility("hidden")));
