/*
 * `agent --pack PATH` writes a file, or a directory with all that is in it, to standard output, for the host: docs/agent.md
 * describes the form. Names are single ones, so there is no path that could lead anywhere.
 */
#include "files.h"
#include "session.h"

enum entry_kind { ENTRY_END, ENTRY_DIRECTORY, ENTRY_FILE, ENTRY_LINK, ENTRY_FIFO };

#define ENTRY_SIZE 32
#define EXTENT_SIZE 16
#define OUTPUT_SIZE (64 << 10)

static unsigned char output[OUTPUT_SIZE];
static unsigned long output_size;

static void give_up(const char *name, const char *why)
{
	write(2, name, strlen(name));
	write(2, ": ", 2);
	write(2, why, strlen(why));
	write(2, "\n", 1);
	exit(1);
}

static void flush_output(void)
{
	unsigned long done = 0;

	while (done < output_size) {
		long written = system3(write, 1, output + done, output_size - done);

		/* Nobody wants the rest. */
		if (written < 0)
			exit(1);
		done += written;
	}
	output_size = 0;
}

/* Room for `size` bytes at most in the output. */
static unsigned char *put(unsigned long size)
{
	unsigned char *place;

	if (OUTPUT_SIZE - output_size < size)
		flush_output();
	place = output + output_size;
	output_size += size;
	return place;
}

static void put_entry(enum entry_kind kind, const char *name, const struct sys_stat_struct *status)
{
	unsigned long name_size = strlen(name);
	unsigned char *entry = put(ENTRY_SIZE + name_size);

	memset(entry, 0, ENTRY_SIZE);
	entry[0] = kind;
	put_number(entry + 2, name_size, 2);
	if (status) {
		put_number(entry + 4, status->st_mode & 07777, 4);
		put_number(entry + 8, status->st_uid, 4);
		put_number(entry + 12, status->st_gid, 4);
		put_number(entry + 16, status->st_mtime, 8);
		put_number(entry + 24, status->st_mtime_nsec, 4);
	}
	memcpy(entry + ENTRY_SIZE, name, name_size);
}

static void put_extent(unsigned long offset, unsigned long size)
{
	unsigned char *extent = put(EXTENT_SIZE);

	memset(extent, 0, EXTENT_SIZE);
	put_number(extent, offset, 8);
	put_number(extent + 8, size, 4);
}

/* Data from `offset` to `end`, or to where the file ends; returns where that is. */
static long pack_data(int file, const char *name, long offset, long end)
{
	while (offset < end) {
		unsigned char *place;
		long count;

		if (OUTPUT_SIZE - output_size < 2 * EXTENT_SIZE + 4096)
			flush_output();
		place = output + output_size + EXTENT_SIZE;
		count = system4(pread64, file, place,
				minimum_of(OUTPUT_SIZE - output_size - EXTENT_SIZE, end - offset), offset);
		if (count < 0)
			give_up(name, error_text(-count));
		if (!count)
			break;
		put_extent(offset, count);
		output_size += count;
		offset += count;
	}
	return offset;
}

static void pack_file(int directory, const char *name, const struct sys_stat_struct *status)
{
	int file = system4(openat, directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	long size = status->st_size, offset = 0;

	if (file < 0)
		give_up(name, error_text(-file));
	/* Only a file with fewer blocks than bytes has holes worth asking for. */
	while (offset < size && status->st_blocks * 512 < size) {
		long start = system3(lseek, file, offset, SEEK_DATA), end;

		if (start == -ENXIO)
			break;
		end = start < 0 ? start : system3(lseek, file, start, SEEK_HOLE);
		if (end < 0) {
			offset = pack_data(file, name, offset, size);
			break;
		}
		offset = pack_data(file, name, start, end);
		if (offset < end)
			break;
	}
	if (status->st_blocks * 512 >= size)
		pack_data(file, name, 0, size);
	put_extent(size, 0);
	close(file);
}

static void pack_link(int directory, const char *name)
{
	char target[PATH_LIMIT];
	long length = system4(readlinkat, directory, name, target, sizeof(target));

	if (length < 0)
		give_up(name, error_text(-length));
	put_extent(0, length);
	memcpy(put(length), target, length);
	put_extent(length, 0);
}

static void pack(int directory, const char *name, int depth);

static void pack_directory(int directory, const char *name, int depth)
{
	struct directory children = { 0 };
	const char *child;
	int error = 0;

	children.fd = system4(openat, directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (children.fd < 0)
		give_up(name, error_text(-children.fd));
	if (depth == DEPTH_LIMIT)
		give_up(name, "too many directories within each other");
	while ((child = next_name(&children, &error)))
		pack(children.fd, child, depth + 1);
	if (error < 0)
		give_up(name, error_text(-error));
	close(children.fd);
	put_entry(ENTRY_END, "", NULL);
}

static void pack(int directory, const char *name, int depth)
{
	struct sys_stat_struct status;
	int error = system4(newfstatat, directory, name, &status, AT_SYMLINK_NOFOLLOW);

	/* It may have gone meanwhile. */
	if (error == -ENOENT && depth)
		return;
	if (error < 0)
		give_up(name, error_text(-error));
	switch (status.st_mode & S_IFMT) {
	case S_IFDIR:
		put_entry(ENTRY_DIRECTORY, name, &status);
		pack_directory(directory, name, depth);
		break;
	case S_IFREG:
		put_entry(ENTRY_FILE, name, &status);
		pack_file(directory, name, &status);
		break;
	case S_IFLNK:
		put_entry(ENTRY_LINK, name, &status);
		pack_link(directory, name);
		break;
	case S_IFIFO:
		put_entry(ENTRY_FIFO, name, &status);
		break;
	default:
		/* Devices and sockets mean nothing on another system. */
		write(2, name, strlen(name));
		write(2, ": left out: a device or socket\n", 31);
	}
}

int pack_path(const char *path)
{
	static char real[PATH_LIMIT];
	char link[DESCRIPTOR_PATH_SIZE];
	const char *name;
	int fd = system3(open, path, O_PATH | O_CLOEXEC, 0);
	long length;

	if (fd < 0)
		give_up(path, error_text(-fd));
	/* The path itself may be a link, which is followed; what it leads to has a name. */
	put_descriptor_path(link, fd);
	length = system3(readlink, link, real, sizeof(real) - 1);
	if (length <= 0 || real[0] != '/')
		give_up(path, "/proc does not tell where it is");
	real[length] = '\0';
	name = strrchr(real, '/') + 1;
	if (!*name)
		give_up(path, "the root directory is more than files");
	real[name - real - 1] = '\0';
	fd = system3(open, name - real == 1 ? "/" : real, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		give_up(path, error_text(-fd));
	pack(fd, name, 0);
	flush_output();
	return 0;
}
