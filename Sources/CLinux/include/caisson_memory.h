// Access to memory that somebody else (the guest, the kernel, another thread) changes meanwhile.
#pragma once

#include <stdint.h>
#include <stddef.h>
#include <string.h>

static inline uint8_t caisson_load_8(const void *p) { return __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED); }
static inline uint16_t caisson_load_16(const void *p) { uint16_t v; memcpy(&v, p, sizeof v); __asm__ volatile("" : "+r"(v)); return v; }
static inline uint32_t caisson_load_32(const void *p) { uint32_t v; memcpy(&v, p, sizeof v); __asm__ volatile("" : "+r"(v)); return v; }
static inline uint64_t caisson_load_64(const void *p) { uint64_t v; memcpy(&v, p, sizeof v); __asm__ volatile("" : "+r"(v)); return v; }

static inline void caisson_store_8(void *p, uint8_t v) { __atomic_store_n((uint8_t *)p, v, __ATOMIC_RELAXED); }
static inline void caisson_store_16(void *p, uint16_t v) { memcpy(p, &v, sizeof v); __asm__ volatile("" ::: "memory"); }
static inline void caisson_store_32(void *p, uint32_t v) { memcpy(p, &v, sizeof v); __asm__ volatile("" ::: "memory"); }
static inline void caisson_store_64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); __asm__ volatile("" ::: "memory"); }

// Aligned, lock-free, ordered: for ring indices.
static inline uint16_t caisson_load_acquire_16(const void *p) { return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE); }
static inline uint32_t caisson_load_acquire_32(const void *p) { return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE); }
static inline void caisson_store_release_8(void *p, uint8_t v) { __atomic_store_n((uint8_t *)p, v, __ATOMIC_RELEASE); }
static inline void caisson_store_release_16(void *p, uint16_t v) { __atomic_store_n((uint16_t *)p, v, __ATOMIC_RELEASE); }
static inline void caisson_store_release_32(void *p, uint32_t v) { __atomic_store_n((uint32_t *)p, v, __ATOMIC_RELEASE); }
static inline void caisson_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static inline void caisson_copy(void *to, const void *from, size_t count) { memcpy(to, from, count); }
static inline void caisson_fill(void *to, uint8_t byte, size_t count) { memset(to, byte, count); }

// Each stores the mapping's address and returns 0, or returns the negative errno.
int caisson_map_shared(int fd, size_t size, void **address);
// Private memory at a multiple of `alignment`, a power of two of at least a page, with CAISSON_GUARD_SIZE bytes behind it that
// nobody can access: what runs over faults, and the kernel never makes one mapping of two that lie side by side.
#define CAISSON_GUARD_SIZE 4096
int caisson_map_guarded(size_t size, size_t alignment, void **address);
// Private memory in huge pages of 2 MiB, all of them set aside now; -ENOMEM where there are not as many.
int caisson_map_huge(size_t size, void **address);
// A file of zeroes in memory, without a name but what /proc shows, closed by exec. Returns its descriptor or the negative errno.
int caisson_make_memory_file(const char *name, size_t size);
// Returns the bytes read (0 at the end of the file), or the negative errno.
int64_t caisson_pread(int fd, void *to, size_t count, int64_t offset);
// Prepares this process's memory for several threads: one heap for all, where glibc would give each of the first few one of its own, and
// own pages for variables that have a value from the first. Once there are threads, each such page that takes the place of the file's
// is told to their processors.
void caisson_prepare_for_threads(void);
// Makes the pages of other variables and of the heap's beginning at once, which takes less time than one by one.
void caisson_prepare_pages(void);
// Unmaps the program's own code, which its file keeps: what is executed again comes back by itself. Returns 0 or the
// negative errno.
int caisson_release_code(void);
