#define _GNU_SOURCE
#include "caisson_store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int result_of(int result)
{
    return result < 0 ? -errno : result;
}

int caisson_open_unnamed(const char *directory)
{
    return result_of(open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644));
}

int caisson_name_file(int fd, const char *path)
{
    char own[32];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    return result_of(linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW));
}

int caisson_open_lock(const char *path)
{
    return result_of(open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644));
}

int caisson_wait_for_lock(int fd, int exclusive)
{
    struct flock lock = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
    int result;
    do
        result = fcntl(fd, F_OFD_SETLKW, &lock);
    while (result < 0 && errno == EINTR);
    return result_of(result);
}

int caisson_sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = result_of(fsync(fd));
    close(fd);
    return result;
}

static int checked(int fd, int is_directory)
{
    struct stat status;
    if (fd < 0)
        return -errno;
    int error = fstat(fd, &status) < 0 ? errno : is_directory || S_ISREG(status.st_mode) ? 0 : ENXIO;
    if (!error)
        return fd;
    close(fd);
    return -error;
}

int caisson_open_file(const char *path)
{
    return checked(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), 0);
}

int caisson_open_in(int directory, const char *name, int is_directory)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (is_directory ? O_DIRECTORY : 0);
    return checked(openat(directory, name, flags), is_directory);
}

// For pairs of files that the kernel cannot copy between, such as those of /proc.
static int64_t copy_by_hand(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t count)
{
    char bytes[65536];
    ssize_t got = pread(from, bytes, count < sizeof bytes ? count : sizeof bytes, (off_t)from_offset);
    if (got <= 0)
        return got < 0 ? -errno : 0;
    ssize_t put = pwrite(to, bytes, (size_t)got, (off_t)to_offset);
    return put < 0 ? -errno : put;
}

int64_t caisson_copy_bytes(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t count)
{
    off64_t in = (off64_t)from_offset, out = (off64_t)to_offset;
    // More at once could not be interrupted for long.
    ssize_t copied = copy_file_range(from, &in, to, &out, count < 1 << 26 ? count : 1 << 26, 0);
    if (copied > 0)
        return copied;
    if (copied < 0 && (errno == EINTR || errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG))
        return -errno;
    return copy_by_hand(from, from_offset, to, to_offset, count);
}

int caisson_clone_file(int from, int to)
{
    return result_of(ioctl(to, FICLONE, from));
}

int caisson_next_data(int fd, uint64_t offset, uint64_t *start, uint64_t *end)
{
    off_t data = lseek(fd, (off_t)offset, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO ? 0 : -errno;
    off_t hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0)
        return -errno;
    *start = (uint64_t)data;
    *end = (uint64_t)hole;
    return 1;
}
