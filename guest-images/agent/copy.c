/*
 * Puts the host's files at their place. COPY's payload: u8 flags, three bytes 0; texts: the device with an EROFS file
 * system, which has them as `content`; the name that they have on the host; where they go.
 *
 * A directory is not copied at all: an overlay shows it where it goes, with what is there already below it, and takes what
 * is written. That takes no time, whatever is in it. Files of their own, and all where a layer is kept, are copied.
 */
#include "files.h"
#include "session.h"

#define COPY_LIMIT 64

/* Of what is written over copied directories, below which each has one. */
int layer_directory = -1;

static int open_layers(void)
{
	if (layer_directory >= 0)
		return 0;
	mkdir("/run/layers", 0700);
	mount_at("tmpfs", "/run/layers", MS_NOSUID | MS_NODEV, "mode=700");
	layer_directory = system3(open, "/run/layers", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	return failure_of(layer_directory);
}

/* A directory of the copy's own to work in, with the device's files in it. */
static int open_source(const char *device)
{
	static int count;
	char name[] = "copy00";
	int error = open_layers();

	if (error < 0)
		return error;
	if (count == COPY_LIMIT)
		return -EMFILE;
	name[4] += count / 10;
	name[5] += count++ % 10;
	error = system1(fchdir, layer_directory);
	if (error < 0)
		return error;
	mkdir(name, 0700);
	error = system1(chdir, name);
	if (error < 0)
		return error;
	mkdir("source", 0700);
	return my_syscall5(__NR_mount, device, "source", "erofs", MS_RDONLY, NULL);
}

/* Shows what is in ./source/content at `target`, over what is there. */
static int overlay_directory(int target, const struct sys_stat_struct *status)
{
	char options[128] = "lowerdir=source/content:", path[DESCRIPTOR_PATH_SIZE];

	put_descriptor_path(path, target);
	strcpy(put_descriptor_path(options + strlen(options), target), ",upperdir=upper,workdir=work");
	system2(mkdir, "upper", 0700);
	system2(mkdir, "work", 0700);
	/* The directory itself is the upper one. */
	apply_status(AT_FDCWD, "upper", status);
	return my_syscall5(__NR_mount, "overlay", path, "overlay", 0, options);
}

static int place_directory(const char *path, const struct sys_stat_struct *status, int is_kept)
{
	int target, source, error;

	system2(mkdir, path, 0755);
	target = system3(open, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (target < 0)
		return target;
	if (!is_kept) {
		error = overlay_directory(target, status);
	} else {
		source = system3(open, "source/content", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		error = source < 0 ? source : copy_directory(source, target, 0);
		close(source);
		if (error >= 0)
			error = apply_status(AT_FDCWD, path, status);
	}
	close(target);
	return error;
}

static int place_file(const char *path)
{
	int source = system3(open, "source", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int error = source < 0 ? source : copy_entry(source, "content", AT_FDCWD, path, 0);

	close(source);
	return error;
}

/* `destination`, or `name` in it where it is a directory that takes files, into `path`; its parents are made. */
static int find_place(char *path, const char *destination, const char *name, int is_directory)
{
	unsigned long length = strlen(destination);
	struct sys_stat_struct status;
	int is_inside = length > 1 && destination[length - 1] == '/';
	char *end;

	if (length + strlen(name) + 2 > PATH_LIMIT)
		return -ENAMETOOLONG;
	while (length > 1 && destination[length - 1] == '/')
		length--;
	memcpy(path, destination, length);
	path[length] = '\0';
	if (is_inside || (!is_directory && system2(stat, path, &status) == 0 && S_ISDIR(status.st_mode))) {
		make_directories(path);
		if (length > 1)
			path[length++] = '/';
		strcpy(path + length, name);
		return 0;
	}
	end = strrchr(path, '/');
	if (end != path) {
		*end = '\0';
		make_directories(path);
		*end = '/';
	}
	return 0;
}

static int place(const char *device, const char *name, const char *destination, int is_kept)
{
	static char path[PATH_LIMIT];
	struct sys_stat_struct status;
	int is_directory, error = open_source(device);

	if (error >= 0)
		error = system4(newfstatat, AT_FDCWD, "source/content", &status, AT_SYMLINK_NOFOLLOW);
	if (error < 0)
		return error;
	is_directory = S_ISDIR(status.st_mode);
	error = find_place(path, destination, name, is_directory);
	if (error < 0)
		return error;
	error = is_directory ? place_directory(path, &status, is_kept) : place_file(path);
	/* An overlay keeps it. */
	if (is_kept || !is_directory)
		system2(umount2, "source", MNT_DETACH);
	return error;
}

int copy_in(struct reader *reader, const char **what)
{
	unsigned long flags = read_number(reader, 4);
	const char *device = read_text(reader), *name = read_text(reader), *destination = read_text(reader);
	int error;

	if (reader->failed || destination[0] != '/' || !name[0])
		return -EPROTO;
	*what = destination;
	error = place(device, name, destination, flags & COPY_KEPT);
	system1(chdir, "/");
	return error;
}
