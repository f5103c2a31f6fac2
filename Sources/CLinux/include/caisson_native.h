// What is done to guest memory by the processor itself: locked operations that other vCPUs see whole.
#pragma once

#include <stdint.h>

// Sets bits of a byte in one locked operation.
static inline void caisson_set_bits_8(void *p, uint8_t bits) { __atomic_fetch_or((uint8_t *)p, bits, __ATOMIC_SEQ_CST); }
