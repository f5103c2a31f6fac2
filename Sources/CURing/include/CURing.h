// An io_uring as Swift can import it: liburing's functions are inline, and its types clash with those of other modules.
// No logic lives here. Functions that return int return the negative errno on failure.
#pragma once

#include <stdint.h>
#include <sys/uio.h>

struct caisson_ring;

// A ring for `depth` operations in flight, which signals `event` when one ends.
int caisson_ring_create(unsigned depth, int event, struct caisson_ring **ring);
void caisson_ring_destroy(struct caisson_ring *ring);

// Each takes the next free entry, of which there is one for each operation in flight.
void caisson_ring_readv(struct caisson_ring *ring, int fd, const struct iovec *segments, unsigned count, uint64_t offset,
                        uint64_t tag);
void caisson_ring_writev(struct caisson_ring *ring, int fd, const struct iovec *segments, unsigned count, uint64_t offset,
                         int durable, uint64_t tag);
void caisson_ring_sync_data(struct caisson_ring *ring, int fd, uint64_t tag);
void caisson_ring_allocate(struct caisson_ring *ring, int fd, int mode, uint64_t offset, uint64_t count, uint64_t tag);

// Submits what was started; the number of operations.
int caisson_ring_submit(struct caisson_ring *ring);
// The next operation that has ended, and what it returned: 1, or 0 if there is none.
int caisson_ring_next(struct caisson_ring *ring, uint64_t *tag, int *result);
// Waits until there is one.
int caisson_ring_wait(struct caisson_ring *ring);
