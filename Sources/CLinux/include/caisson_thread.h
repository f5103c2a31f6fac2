#pragma once

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

// The signal that takes a vCPU's thread out of KVM_RUN. Its handler does nothing: being delivered is its work.
int caisson_kick_signal(void);

// Installs the kick signal's handler for the process. Returns 0 or the negative errno.
int caisson_install_kick_handler(void);

// Unblocks the kick signal in the calling thread. Returns 0 or the negative errno.
int caisson_unblock_kick(void);

// Sends the kick signal to a live thread. Returns 0 or the negative errno.
int caisson_kick(pthread_t thread);

// Sends the kick signal to the calling thread once, `nanoseconds` from now; cancelling takes what these store. Return 0 or
// the negative errno.
int caisson_kick_self_after(uint64_t nanoseconds, timer_t *timer);
int caisson_cancel_kick(timer_t timer);

// Has a signal noted from now on in place of what it does, unless it is ignored. Returns 0 or the negative errno. Then
// there is a descriptor that becomes readable when a signal was noted, and the next such signal, or 0.
int caisson_note_signal(int number);
int caisson_signal_notes(void);
int caisson_next_signal(void);

// Keeps the calling thread on one of the host's processors, below CPU_SETSIZE. Returns 0 or the negative errno.
int caisson_pin_thread(int processor);

// Asks the kernel to let the calling thread run this long before others have their turn, in nanoseconds, 0.1 to 100 ms.
// A wish, which kernels before 6.12 ignore. Returns 0 or the negative errno.
int caisson_set_time_slice(uint64_t nanoseconds);

// CPU time a thread has used, in nanoseconds, or the negative errno.
int64_t caisson_thread_cpu_time(pthread_t thread);

// Writes `value` to the byte at `address` so that another thread or the kernel sees it.
static inline void caisson_publish_8(uint8_t *address, uint8_t value) { __atomic_store_n(address, value, __ATOMIC_SEQ_CST); }
