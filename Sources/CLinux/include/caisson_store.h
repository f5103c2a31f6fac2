// What a store of files needs and Swift cannot import as it is. Each returns the negative errno on failure.
#pragma once

#include <stdint.h>
#include <sys/types.h>

// A new file without a name in `directory`, which ends with its descriptor unless it is given a name.
int caisson_open_unnamed(const char *directory);

// Gives such a file a name that nothing has (-EEXIST otherwise).
int caisson_name_file(int fd, const char *path);

// Opens a file to be locked and makes it if it is not there.
int caisson_open_lock(const char *path);

// Locks the whole open file as caisson_lock_disk does, but waits for those that hold a lock.
int caisson_wait_for_lock(int fd, int exclusive);

// fsync(2) of a directory by its path.
int caisson_sync_directory(const char *path);

// Opens a name in an open directory to read it: a directory, or a regular file (-ENXIO for anything else). Never follows
// a symbolic link and never waits.
int caisson_open_in(int directory, const char *name, int is_directory);

// Opens a regular file to read it (-ENXIO for anything else). Never waits.
int caisson_open_file(const char *path);

// Copies bytes within the kernel where it can. Returns those copied, at most `count`; 0 at the end.
int64_t caisson_copy_bytes(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t count);

// Makes `to` share all bytes of `from`, where the file system can.
int caisson_clone_file(int from, int to);

// The next range of data at or after `offset`; 0 if there is none. File systems that know no holes have one range.
int caisson_next_data(int fd, uint64_t offset, uint64_t *start, uint64_t *end);
