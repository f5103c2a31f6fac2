#define _GNU_SOURCE
#include "CURing.h"

#include <liburing.h>
#include <stdlib.h>
#include <sys/uio.h>

struct caisson_ring {
    struct io_uring uring;
};

int caisson_ring_create(unsigned depth, int event, struct caisson_ring **result)
{
    struct caisson_ring *ring = malloc(sizeof *ring);
    if (!ring)
        return -ENOMEM;
    int error = io_uring_queue_init(depth, &ring->uring, 0);
    if (error) {
        free(ring);
        return error;
    }
    error = io_uring_register_eventfd(&ring->uring, event);
    if (error) {
        caisson_ring_destroy(ring);
        return error;
    }
    *result = ring;
    return 0;
}

void caisson_ring_destroy(struct caisson_ring *ring)
{
    io_uring_queue_exit(&ring->uring);
    free(ring);
}

static struct io_uring_sqe *next_entry(struct caisson_ring *ring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);
    if (!entry)
        abort();
    return entry;
}

void caisson_ring_readv(struct caisson_ring *ring, int fd, const struct iovec *segments, unsigned count, uint64_t offset,
                        uint64_t tag)
{
    struct io_uring_sqe *entry = next_entry(ring);
    io_uring_prep_readv(entry, fd, segments, count, offset);
    io_uring_sqe_set_data64(entry, tag);
}

void caisson_ring_writev(struct caisson_ring *ring, int fd, const struct iovec *segments, unsigned count, uint64_t offset,
                         int durable, uint64_t tag)
{
    struct io_uring_sqe *entry = next_entry(ring);
    io_uring_prep_writev2(entry, fd, segments, count, offset, durable ? RWF_DSYNC : 0);
    io_uring_sqe_set_data64(entry, tag);
}

void caisson_ring_sync_data(struct caisson_ring *ring, int fd, uint64_t tag)
{
    struct io_uring_sqe *entry = next_entry(ring);
    io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(entry, tag);
}

void caisson_ring_allocate(struct caisson_ring *ring, int fd, int mode, uint64_t offset, uint64_t count, uint64_t tag)
{
    struct io_uring_sqe *entry = next_entry(ring);
    io_uring_prep_fallocate(entry, fd, mode, (off_t)offset, (off_t)count);
    io_uring_sqe_set_data64(entry, tag);
}

int caisson_ring_submit(struct caisson_ring *ring)
{
    return io_uring_submit(&ring->uring);
}

int caisson_ring_next(struct caisson_ring *ring, uint64_t *tag, int *result)
{
    struct io_uring_cqe *entry;
    if (io_uring_peek_cqe(&ring->uring, &entry) != 0)
        return 0;
    *tag = entry->user_data;
    *result = entry->res;
    io_uring_cqe_seen(&ring->uring, entry);
    return 1;
}

int caisson_ring_wait(struct caisson_ring *ring)
{
    struct io_uring_cqe *entry;
    return io_uring_wait_cqe(&ring->uring, &entry);
}
