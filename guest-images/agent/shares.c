/*
 * Directories of the host's, each a file system that is found by its tag (virtio-fs). Words of the kernel's command line say
 * where they go, and come as environment: CAISSON_SHARE0=TAG:MODE:PATH and so on, where MODE is ro or rw, and bytes
 * of PATH may be written as %XX.
 */
#include "files.h"
#include "session.h"

#define SHARE_PATH_LIMIT 256

extern char **environ;

/* The first that could not be mounted. */
static char failed_path[SHARE_PATH_LIMIT];
static int failure;

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False where `text` is no absolute path that fits. */
static int decode_path(const char *text, char *path)
{
	unsigned int length = 0;

	if (*text != '/')
		return 0;
	while (*text && length < SHARE_PATH_LIMIT - 1) {
		if (*text == '%') {
			int high = digit(text[1]), low = high < 0 ? -1 : digit(text[2]);

			if (low < 0)
				return 0;
			path[length++] = high << 4 | low;
			text += 3;
		} else {
			path[length++] = *text++;
		}
	}
	path[length] = '\0';
	return !*text;
}

/* `value` is changed. */
static int mount_share(char *value, char *path)
{
	unsigned long flags = MS_NODEV;
	char *mode = strchr(value, ':');

	if (!mode || (mode[1] != 'r') || (mode[2] != 'o' && mode[2] != 'w') || mode[3] != ':' || !decode_path(mode + 4, path))
		return -EINVAL;
	if (mode[2] == 'o')
		flags |= MS_RDONLY;
	*mode = '\0';
	make_directories(path);
	return my_syscall5(__NR_mount, value, path, "virtiofs", flags, NULL);
}

void mount_shares(void)
{
	static const char prefix[] = "CAISSON_SHARE";
	char path[SHARE_PATH_LIMIT];

	for (char **word = environ; *word; word++) {
		char *value = strchr(*word, '=');
		int error;

		if (strncmp(*word, prefix, sizeof(prefix) - 1) != 0 || !value)
			continue;
		path[0] = '\0';
		error = mount_share(value + 1, path);
		if (error < 0) {
			complain(path);
			if (!failure) {
				failure = error;
				strcpy(failed_path, path);
			}
		}
	}
}

int share_failure(const char **what)
{
	*what = failed_path;
	return failure;
}
