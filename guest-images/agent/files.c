/* Copies files within the guest. */
#include "files.h"

#define BLOCK 4096

static unsigned char buffer[16 * BLOCK];

struct directory_entry {
	unsigned long inode;
	long offset;
	unsigned short size;
	unsigned char type;
	char name[];
};

const char *next_name(struct directory *directory, int *error)
{
	for (;;) {
		const struct directory_entry *entry;

		if (directory->next >= directory->size) {
			directory->next = 0;
			directory->size = system3(getdents64, directory->fd, directory->bytes, sizeof(directory->bytes));
			*error = failure_of(directory->size);
			if (directory->size <= 0)
				return NULL;
		}
		entry = (const struct directory_entry *)(directory->bytes + directory->next);
		directory->next += entry->size;
		if (entry->name[0] != '.' || (entry->name[1] && (entry->name[1] != '.' || entry->name[2])))
			return entry->name;
	}
}

char *put_descriptor_path(char *to, int fd)
{
	int divisor = 1;

	strcpy(to, "/proc/self/fd/");
	to += 14;
	while (fd / divisor >= 10)
		divisor *= 10;
	for (; divisor; divisor /= 10)
		*to++ = '0' + fd / divisor % 10;
	*to = '\0';
	return to;
}

void make_directories(const char *path)
{
	char part[PATH_LIMIT];

	for (unsigned long i = 1; i < PATH_LIMIT && path[i - 1]; i++) {
		part[i - 1] = path[i - 1];
		if (path[i] != '/' && path[i])
			continue;
		part[i] = '\0';
		system2(mkdir, part, 0755);
	}
}

int apply_status(int directory, const char *name, const struct sys_stat_struct *status)
{
	struct timespec times[2] = {
		{ .tv_sec = status->st_atime, .tv_nsec = status->st_atime_nsec },
		{ .tv_sec = status->st_mtime, .tv_nsec = status->st_mtime_nsec },
	};
	int error = my_syscall5(__NR_fchownat, directory, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW);

	/* A link has no mode of its own. A change of owner takes set-id bits away. */
	if (error >= 0 && !S_ISLNK(status->st_mode))
		error = system3(fchmodat, directory, name, status->st_mode & 07777);
	if (error >= 0)
		error = system4(utimensat, directory, name, times, AT_SYMLINK_NOFOLLOW);
	return error;
}

static int is_zero(const unsigned char *bytes, long count)
{
	return !bytes[0] && memcmp(bytes, bytes + 1, count - 1) == 0;
}

/* Blocks of zeroes become holes. */
static int copy_data(int from, int to)
{
	long offset = 0, count;

	while ((count = system3(read, from, buffer, sizeof(buffer))) > 0) {
		for (long start = 0; start < count;) {
			long end = start;

			while (end < count && !is_zero(buffer + end, minimum_of(BLOCK, count - end)))
				end += minimum_of(BLOCK, count - end);
			for (long done = start; done < end;) {
				long written = system4(pwrite64, to, buffer + done, end - done, offset + done);

				if (written < 0)
					return written;
				done += written;
			}
			start = end < count ? end + minimum_of(BLOCK, count - end) : end;
		}
		offset += count;
	}
	return count < 0 ? count : system2(ftruncate, to, offset);
}

static int copy_file(int from, const char *name, int to, const char *as)
{
	int source = system4(openat, from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0), target, error;

	if (source < 0)
		return source;
	target = system4(openat, to, as, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	error = target < 0 ? target : copy_data(source, target);
	close(source);
	close(target);
	return error;
}

static int copy_link(int from, const char *name, int to, const char *as)
{
	char target[PATH_LIMIT + 1];
	long length = system4(readlinkat, from, name, target, PATH_LIMIT);

	if (length < 0)
		return length;
	target[length] = '\0';
	return system3(symlinkat, target, to, as);
}

static int copy_subdirectory(int from, const char *name, int to, const char *as, int depth)
{
	int source, target, error = system3(mkdirat, to, as, 0700);

	if (error < 0 && error != -EEXIST)
		return error;
	source = system4(openat, from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	target = system4(openat, to, as, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	error = source < 0 ? source : target < 0 ? target : copy_directory(source, target, depth + 1);
	close(source);
	close(target);
	return error;
}

int copy_entry(int from, const char *name, int to, const char *as, int depth)
{
	struct sys_stat_struct status;
	int error = system4(newfstatat, from, name, &status, AT_SYMLINK_NOFOLLOW);

	if (error < 0)
		return error;
	if (!S_ISDIR(status.st_mode)) {
		error = system3(unlinkat, to, as, 0);
		if (error < 0 && error != -ENOENT)
			return error;
	}
	if (S_ISDIR(status.st_mode))
		error = copy_subdirectory(from, name, to, as, depth);
	else if (S_ISREG(status.st_mode))
		error = copy_file(from, name, to, as);
	else if (S_ISLNK(status.st_mode))
		error = copy_link(from, name, to, as);
	else
		error = system4(mknodat, to, as, status.st_mode, status.st_rdev);
	return error < 0 ? error : apply_status(to, as, &status);
}

int copy_directory(int from, int to, int depth)
{
	struct directory directory = { .fd = from };
	const char *name;
	int error = 0;

	if (depth > DEPTH_LIMIT)
		return -ELOOP;
	while ((name = next_name(&directory, &error))) {
		error = copy_entry(from, name, to, name, depth);
		if (error < 0)
			return error;
	}
	return error;
}
