#include "caisson_ioctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

int caisson_ioctl(int fd, unsigned long request, void *argument)
{
    int result = ioctl(fd, request, argument);
    return result < 0 ? -errno : result;
}

int caisson_ioctl_value(int fd, unsigned long request, unsigned long value)
{
    int result = ioctl(fd, request, value);
    return result < 0 ? -errno : result;
}

int caisson_open_device(const char *path)
{
    int result = open(path, O_RDWR | O_CLOEXEC);
    return result < 0 ? -errno : result;
}
