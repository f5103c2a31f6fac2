#define _GNU_SOURCE
#include "caisson_memory.h"

#include <errno.h>
#include <linux/mman.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int map(size_t size, int flags, int fd, void **address)
{
    void *result = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (result == MAP_FAILED)
        return -errno;
    *address = result;
    return 0;
}

int caisson_map_shared(int fd, size_t size, void **address) { return map(size, MAP_SHARED, fd, address); }

int caisson_map_guarded(size_t size, size_t alignment, void **address)
{
    // What the alignment wants beside is the guard, once the rest of it is cut off.
    void *start = mmap(NULL, size + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return -errno;
    uintptr_t aligned = ((uintptr_t)start + alignment - 1) & ~(alignment - 1);
    size_t before = aligned - (uintptr_t)start;
    if (before > 0)
        munmap(start, before);
    if (alignment - before > CAISSON_GUARD_SIZE)
        munmap((void *)(aligned + size + CAISSON_GUARD_SIZE), alignment - before - CAISSON_GUARD_SIZE);
    if (mprotect((void *)aligned, size, PROT_READ | PROT_WRITE) != 0) {
        int error = errno;
        munmap((void *)aligned, size + CAISSON_GUARD_SIZE);
        return -error;
    }
    *address = (void *)aligned;
    return 0;
}

int caisson_map_huge(size_t size, void **address)
{
    return map(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, address);
}

int caisson_make_memory_file(const char *name, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

int64_t caisson_pread(int fd, void *to, size_t count, int64_t offset)
{
    ssize_t result = pread(fd, to, count, offset);
    return result < 0 ? -errno : result;
}

// Kernels before 5.14 do not know of it: they make the pages one by one, as they are used.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static void make_pages(uintptr_t start, uintptr_t end)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    start &= ~(page - 1);
    madvise((void *)start, ((end + page - 1) & ~(page - 1)) - start, MADV_POPULATE_WRITE);
}

void caisson_prepare_for_threads(void)
{
    extern const char __data_start, _edata;
    // Constants may come behind the variables that have a value from the first.
    const uintptr_t most = 128 << 10;
    uintptr_t data = (uintptr_t)&__data_start, data_end = (uintptr_t)&_edata;

    mallopt(M_ARENA_MAX, 1);
    make_pages(data, data_end - data < most ? data_end : data + most);
}

void caisson_prepare_pages(void)
{
    extern const char __bss_start, _end;
    // glibc begins with a little more heap.
    const uintptr_t most = 128 << 10;
    uintptr_t heap_end = (uintptr_t)sbrk(0);

    make_pages(heap_end - most, heap_end);
    make_pages((uintptr_t)&__bss_start, (uintptr_t)&_end);
}

int caisson_release_code(void)
{
    extern const char __executable_start, etext;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)&__executable_start & ~(page - 1);
    uintptr_t end = ((uintptr_t)&etext + page - 1) & ~(page - 1);

    return madvise((void *)start, end - start, MADV_DONTNEED) < 0 ? -errno : 0;
}
