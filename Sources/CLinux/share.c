#define _GNU_SOURCE
#include "CLinux.h"

#include <linux/capability.h>
#include <linux/stat.h>
#include <sched.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>

const int64_t caisson_time_now = UTIME_NOW, caisson_time_omitted = UTIME_OMIT;
const int caisson_seek_data = SEEK_DATA, caisson_seek_hole = SEEK_HOLE;

static int64_t result_of(int64_t result)
{
    return result < 0 ? -errno : result;
}

// What an O_PATH descriptor stands for, under a name that system calls without a form for descriptors take. The kernel leads it to that
// file and no other, without looking for a path.
struct descriptor_path {
    char text[32];
};

static struct descriptor_path path_of(int fd)
{
    struct descriptor_path path;
    snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
    return path;
}

int caisson_status_of(int directory, const char *name, struct caisson_file_status *status)
{
    struct statx from;
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name[0] ? 0 : AT_EMPTY_PATH);
    if (statx(directory, name, flags, STATX_BASIC_STATS | STATX_BTIME, &from) < 0)
        return -errno;
    *status = (struct caisson_file_status){
        .device = makedev(from.stx_dev_major, from.stx_dev_minor),
        .inode = from.stx_ino,
        .size = from.stx_size,
        .blocks = from.stx_blocks,
        .birth = from.stx_mask & STATX_BTIME
            ? (uint64_t)from.stx_btime.tv_sec * 1000000000 + from.stx_btime.tv_nsec : 0,
        .accessed = from.stx_atime.tv_sec,
        .modified = from.stx_mtime.tv_sec,
        .changed = from.stx_ctime.tv_sec,
        .accessed_nanoseconds = from.stx_atime.tv_nsec,
        .modified_nanoseconds = from.stx_mtime.tv_nsec,
        .changed_nanoseconds = from.stx_ctime.tv_nsec,
        .mode = from.stx_mode,
        .links = from.stx_nlink,
        .user = from.stx_uid,
        .group = from.stx_gid,
        .special_device = (from.stx_rdev_minor & 0xff) | (from.stx_rdev_major << 8) | ((from.stx_rdev_minor & ~0xffU) << 12),
        .block_size = from.stx_blksize,
    };
    return 0;
}

int caisson_status_of_file_system(int fd, struct caisson_file_system_status *status)
{
    struct statfs from;
    if (fstatfs(fd, &from) < 0)
        return -errno;
    *status = (struct caisson_file_system_status){
        .blocks = from.f_blocks,
        .free_blocks = from.f_bfree,
        .available_blocks = from.f_bavail,
        .files = from.f_files,
        .free_files = from.f_ffree,
        .block_size = (uint32_t)from.f_bsize,
        .name_length = (uint32_t)from.f_namelen,
        .fragment_size = (uint32_t)from.f_frsize,
    };
    return 0;
}

int caisson_open_node(int directory, const char *name)
{
    return result_of(openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

int caisson_open_own_node(int directory)
{
    return result_of(openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int caisson_open_shared_directory(const char *path)
{
    return result_of(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int caisson_open_contents(int node, int flags)
{
    struct stat status;
    // A FIFO would wait, and a device do who knows what. What the descriptor stands for never changes its type.
    if (fstat(node, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return -ENXIO;
    return result_of(open(path_of(node).text, flags | O_CLOEXEC | O_NOCTTY));
}

int caisson_create_in(int directory, const char *name, int flags, uint32_t mode)
{
    return result_of(openat(directory, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode));
}

int caisson_make_directory_in(int directory, const char *name, uint32_t mode)
{
    return result_of(mkdirat(directory, name, mode));
}

int caisson_make_node_in(int directory, const char *name, uint32_t mode)
{
    if (!S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode))
        return -EPERM;
    return result_of(mknodat(directory, name, mode, 0));
}

int caisson_make_link_in(int directory, const char *name, const char *target)
{
    return result_of(symlinkat(target, directory, name));
}

int caisson_link_node(int node, int directory, const char *name)
{
    return result_of(linkat(AT_FDCWD, path_of(node).text, directory, name, AT_SYMLINK_FOLLOW));
}

int caisson_remove_from(int directory, const char *name, int is_directory)
{
    return result_of(unlinkat(directory, name, is_directory ? AT_REMOVEDIR : 0));
}

int caisson_rename_in(int from, const char *name, int to, const char *new_name, unsigned flags)
{
    return result_of(renameat2(from, name, to, new_name, flags));
}

int64_t caisson_read_link(int node, void *to, size_t count)
{
    return result_of(readlinkat(node, "", to, count));
}

int caisson_change_mode(int node, uint32_t mode)
{
    struct stat status;
    if (fstat(node, &status) < 0)
        return -errno;
    // chmod(2) would take the link's own path here and change what it leads to.
    if (S_ISLNK(status.st_mode))
        return -EOPNOTSUPP;
    return result_of(chmod(path_of(node).text, mode & 07777));
}

int caisson_change_owner(int node, uint32_t user, uint32_t group)
{
    return result_of(fchownat(node, "", user, group, AT_EMPTY_PATH));
}

int caisson_change_times(int node, struct timespec accessed, struct timespec modified)
{
    struct timespec times[2] = { accessed, modified };
    return result_of(utimensat(node, "", times, AT_EMPTY_PATH));
}

// Not for links, which the path would lead through, nor for special files, which have none of these.
static int has_attributes(int node)
{
    struct stat status;
    if (fstat(node, &status) < 0)
        return -errno;
    return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) ? 0 : -EOPNOTSUPP;
}

int64_t caisson_get_attribute(int node, const char *name, void *to, size_t count)
{
    int error = has_attributes(node);
    return error ? error : result_of(getxattr(path_of(node).text, name, to, count));
}

int caisson_set_attribute(int node, const char *name, const void *value, size_t count, int flags)
{
    int error = has_attributes(node);
    return error ? error : (int)result_of(setxattr(path_of(node).text, name, value, count, flags));
}

int64_t caisson_list_attributes(int node, void *to, size_t count)
{
    int error = has_attributes(node);
    return error ? error : result_of(listxattr(path_of(node).text, to, count));
}

int caisson_remove_attribute(int node, const char *name)
{
    int error = has_attributes(node);
    return error ? error : (int)result_of(removexattr(path_of(node).text, name));
}

int64_t caisson_append(int fd, const struct iovec *segments, int count)
{
    return result_of(pwritev2(fd, segments, count, 0, RWF_APPEND));
}

int caisson_change_open_mode(int fd, uint32_t mode)
{
    return result_of(fchmod(fd, mode & 07777));
}

int caisson_truncate(int fd, uint64_t size)
{
    return size > INT64_MAX ? -EFBIG : (int)result_of(ftruncate(fd, (off_t)size));
}

int caisson_allocate(int fd, int mode, uint64_t offset, uint64_t count)
{
    return result_of(fallocate(fd, mode, (off_t)offset, (off_t)count));
}

int64_t caisson_seek(int fd, uint64_t offset, int whence)
{
    return result_of(lseek(fd, (off_t)offset, whence));
}

int64_t caisson_copy_range(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t count)
{
    off64_t in = (off64_t)from_offset, out = (off64_t)to_offset;
    return result_of(copy_file_range(from, &in, to, &out, count, 0));
}

int caisson_sync_file(int fd, int data_only)
{
    return result_of(data_only ? fdatasync(fd) : fsync(fd));
}

int caisson_sync_file_system(int fd)
{
    return result_of(syncfs(fd));
}

int64_t caisson_read_entries(int directory, void *to, size_t count)
{
    return result_of(syscall(SYS_getdents64, directory, to, count));
}

// A change of the user for files takes these away with it; they are still permitted.
static void regain_rights(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct rights[2];
    if (syscall(SYS_capget, &header, rights) < 0)
        return;
    uint32_t wanted = 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH;
    rights[0].effective |= wanted & rights[0].permitted;
    syscall(SYS_capset, &header, rights);
}

// The C library's own functions are for one thread already: these system calls know no process.
void caisson_become_creator(uint32_t user, uint32_t group)
{
    setfsgid(group);
    setfsuid(user);
    regain_rights();
}

void caisson_become_oneself(void)
{
    setfsuid(geteuid());
    setfsgid(getegid());
}

int caisson_clear_own_mask(void)
{
    // The mask is shared by a process's threads, with the working directory, which this thread does not use.
    if (unshare(CLONE_FS) < 0)
        return -errno;
    umask(0);
    return 0;
}

uint64_t caisson_raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = { .rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max };
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur;
}

int caisson_coarse_time(struct timespec *time)
{
    return result_of(clock_gettime(CLOCK_REALTIME_COARSE, time));
}
