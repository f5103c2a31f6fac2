#define _GNU_SOURCE
#include "CLinux.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

const int caisson_punch_hole_mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const int caisson_zero_range_mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

static int64_t result_of(int64_t result)
{
    return result < 0 ? -errno : result;
}

int caisson_open_disk(const char *path, int writable, int direct)
{
    int flags = (writable ? O_RDWR : O_RDONLY) | (direct ? O_DIRECT : 0);
    // Opening a pipe or a terminal by mistake does not wait. Afterwards io_uring is to wait for the disk, not to give up.
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0 && fcntl(fd, F_SETFL, flags) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return result_of(fd);
}

int caisson_open_scratch(const char *directory)
{
    return result_of(open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600));
}

int caisson_lock_disk(int fd, int exclusive)
{
    struct flock lock = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
    return result_of(fcntl(fd, F_OFD_SETLK, &lock));
}

int caisson_block_device_geometry(int fd, uint64_t *bytes, uint32_t *logical, uint32_t *physical)
{
    int logical_size;
    if (ioctl(fd, BLKGETSIZE64, bytes) < 0 || ioctl(fd, BLKSSZGET, &logical_size) < 0 || ioctl(fd, BLKPBSZGET, physical) < 0)
        return -errno;
    *logical = (uint32_t)logical_size;
    return 0;
}

int64_t caisson_readv(int fd, const struct iovec *segments, int count, uint64_t offset)
{
    return result_of(preadv2(fd, segments, count, (off_t)offset, 0));
}

int64_t caisson_writev(int fd, const struct iovec *segments, int count, uint64_t offset, int durable)
{
    return result_of(pwritev2(fd, segments, count, (off_t)offset, durable ? RWF_DSYNC : 0));
}

int caisson_sync_data(int fd)
{
    return result_of(fdatasync(fd));
}

int caisson_punch_hole(int fd, uint64_t offset, uint64_t count)
{
    return result_of(fallocate(fd, caisson_punch_hole_mode, (off_t)offset, (off_t)count));
}

int caisson_zero_range(int fd, uint64_t offset, uint64_t count)
{
    return result_of(fallocate(fd, caisson_zero_range_mode, (off_t)offset, (off_t)count));
}
