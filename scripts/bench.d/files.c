/*
 * Works on files in a directory and tells on standard output how long it took, in microseconds.
 *
 *   files write|read FILE MIB                       a MiB at a time
 *   files create|stat|open|remove DIRECTORY COUNT   empty files; open reads each to its end and closes it
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char block[1 << 20];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void stream(const char *path, int count, int writes)
{
	int file = open(path, writes ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0644);

	if (file < 0)
		fail(path);
	for (int i = 0; i < count; i++)
		for (ssize_t done = 0, part; done < (ssize_t)sizeof(block); done += part) {
			part = writes ? write(file, block + done, sizeof(block) - done) : read(file, block + done, sizeof(block) - done);
			if (part <= 0)
				fail(path);
		}
	close(file);
}

static void one(const char *path, const char *what)
{
	struct stat status;
	int file;

	if (strcmp(what, "create") == 0 || strcmp(what, "open") == 0) {
		file = open(path, *what == 'c' ? O_WRONLY | O_CREAT | O_EXCL : O_RDONLY, 0644);
		if (file < 0 || (*what == 'o' && read(file, block, sizeof(block)) < 0))
			fail(path);
		close(file);
	} else if (*what == 's' ? stat(path, &status) : unlink(path)) {
		fail(path);
	}
}

int main(int argc, char **argv)
{
	struct timespec begin, end;
	char path[4096];

	if (argc != 4)
		return 2;
	memset(block, 'x', sizeof(block));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (strcmp(argv[1], "write") == 0 || strcmp(argv[1], "read") == 0) {
		stream(argv[2], atoi(argv[3]), *argv[1] == 'w');
	} else {
		for (int i = 0; i < atoi(argv[3]); i++) {
			snprintf(path, sizeof(path), "%s/%d", argv[2], i);
			one(path, argv[1]);
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("took %ld\n", (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000);
	return 0;
}
