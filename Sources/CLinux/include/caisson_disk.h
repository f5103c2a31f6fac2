// What disk images need and Swift cannot import as it is: variadic calls, and constants behind feature macros. Each
// returns the negative errno on failure.
#pragma once

#include <stdint.h>
#include <sys/uio.h>

// open(2) of an existing file, closed by exec. `direct` passes the page cache by.
int caisson_open_disk(const char *path, int writable, int direct);

// A new file without a name in `directory`, which ends with its descriptor.
int caisson_open_scratch(const char *directory);

// Locks the whole open file, shared or exclusive, against other open files (F_OFD_SETLK); -EAGAIN if another holds a lock.
int caisson_lock_disk(int fd, int exclusive);

// Bytes of a block device, and its logical and physical block size.
int caisson_block_device_geometry(int fd, uint64_t *bytes, uint32_t *logical, uint32_t *physical);

// preadv2 and pwritev2 at an offset; `durable` writes through to stable storage.
int64_t caisson_readv(int fd, const struct iovec *segments, int count, uint64_t offset);
int64_t caisson_writev(int fd, const struct iovec *segments, int count, uint64_t offset, int durable);

int caisson_sync_data(int fd);

// Gives the space of a range back (it reads as zeroes), or zeroes it and keeps the space. The file keeps its size.
int caisson_punch_hole(int fd, uint64_t offset, uint64_t count);
int caisson_zero_range(int fd, uint64_t offset, uint64_t count);

// The modes of fallocate(2) by which these work.
extern const int caisson_punch_hole_mode;
extern const int caisson_zero_range_mode;
