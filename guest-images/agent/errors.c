/* What errors are called. */
#include "session.h"

static const struct {
	int number;
	const char *text;
} errors[] = {
	{ EPERM, "operation not permitted" },
	{ ENOENT, "no such file or directory" },
	{ EIO, "input/output error" },
	{ ENXIO, "no such device or address" },
	{ E2BIG, "argument list too long" },
	{ ENOEXEC, "exec format error" },
	{ EAGAIN, "resource temporarily unavailable" },
	{ ENOMEM, "out of memory" },
	{ EACCES, "permission denied" },
	{ EBUSY, "device or resource busy" },
	{ ENODEV, "no such device, or a file system that the kernel does not know" },
	{ ENOTDIR, "not a directory" },
	{ EISDIR, "is a directory" },
	{ EINVAL, "invalid argument, or no such file system there" },
	{ EMFILE, "too many open files" },
	{ ENOSPC, "no space left on device" },
	{ EROFS, "read-only file system" },
	{ ELOOP, "too many levels of symbolic links" },
	{ ENAMETOOLONG, "file name too long" },
	{ EPROTO, "what the host sent is not understood" },
};

const char *error_text(int error)
{
	static char other[] = "error 000";

	for (unsigned int i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].number == error)
			return errors[i].text;
	for (int i = 8; i > 5; i--, error /= 10)
		other[i] = '0' + error % 10;
	return other;
}
