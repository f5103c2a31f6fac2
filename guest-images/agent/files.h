/* Files with their kinds, owners, modes and times. */
#pragma once

#include "system.h"

#ifndef O_PATH
#define O_PATH 010000000
#endif
#ifndef AT_FDCWD
#define AT_FDCWD -100
#endif
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_EMPTY_PATH 0x1000
#define MNT_DETACH 2
#define SEEK_DATA 3
#define SEEK_HOLE 4

#define PATH_LIMIT 4096
/* Levels of directories. */
#define DEPTH_LIMIT 256

/* A part of a directory's names, as getdents64() tells them. */
struct directory {
	int fd;
	long size, next;
	char bytes[4096];
};

/* The next name but . and .., or NULL at the end and where reading fails, of which `error` tells. */
const char *next_name(struct directory *directory, int *error);

/* A path to what a descriptor is open for; returns its end. */
#define DESCRIPTOR_PATH_SIZE 32
char *put_descriptor_path(char *to, int fd);

/* Makes a directory and those above it. */
void make_directories(const char *path);

/* Each returns 0 or a negative errno. Symbolic links are copied, not followed. */

/* Owner, mode and times of what `name` in `directory` is. */
int apply_status(int directory, const char *name, const struct sys_stat_struct *status);
/* Copies `name` in `from` to where `as` in `to` is, in the place of a file there; a directory joins one that is there. */
int copy_entry(int from, const char *name, int to, const char *as, int depth);
/* Copies all that is in a directory. */
int copy_directory(int from, int to, int depth);

static inline int failure_of(long result)
{
	return result < 0 ? result : 0;
}

static inline long minimum_of(long a, long b)
{
	return a < b ? a : b;
}
