#define _GNU_SOURCE
#include "CLinux.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static int64_t result_of(int64_t result)
{
    return result < 0 ? -errno : result;
}

int64_t caisson_read_segments(int fd, const struct iovec *segments, int count)
{
    return result_of(readv(fd, segments, count));
}

int64_t caisson_write_segments(int fd, const struct iovec *segments, int count)
{
    return result_of(writev(fd, segments, count));
}

int64_t caisson_send_segments(int socket, const struct iovec *segments, int count)
{
    struct msghdr message = { .msg_iov = (struct iovec *)segments, .msg_iovlen = (size_t)count };
    return result_of(sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int caisson_open_tun(void)
{
    return result_of(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
}

int caisson_tap_attach(int fd, char *name, int several_queues)
{
    struct ifreq request = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (several_queues ? IFF_MULTI_QUEUE : 0)) };
    memcpy(request.ifr_name, name, IFNAMSIZ);
    if (ioctl(fd, TUNSETIFF, &request) < 0)
        return -errno;
    memcpy(name, request.ifr_name, IFNAMSIZ);
    return 0;
}

int caisson_tap_set_header(int fd, int header_size)
{
    int little_endian = 1;
    return ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0 || ioctl(fd, TUNSETVNETLE, &little_endian) < 0 ? -errno : 0;
}

int caisson_tap_set_offloads(int fd, unsigned offloads)
{
    return result_of(ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads));
}

int caisson_tap_enable_queue(int fd, int enabled)
{
    struct ifreq request = { .ifr_flags = (short)(enabled ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE) };
    return result_of(ioctl(fd, TUNSETQUEUE, &request));
}

// `change` is called with the interface's request and a socket to ask by.
static int ask(const char *name, int (*change)(int fd, struct ifreq *request))
{
    struct ifreq request = { 0 };
    if (strlen(name) >= IFNAMSIZ)
        return -ENAMETOOLONG;
    strcpy(request.ifr_name, name);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int result = change(fd, &request);
    close(fd);
    return result;
}

static int mtu(int fd, struct ifreq *request)
{
    return ioctl(fd, SIOCGIFMTU, request) < 0 ? -errno : request->ifr_mtu;
}

static int switch_on(int fd, struct ifreq *request)
{
    if (ioctl(fd, SIOCGIFFLAGS, request) < 0)
        return -errno;
    request->ifr_flags |= IFF_UP;
    return result_of(ioctl(fd, SIOCSIFFLAGS, request));
}

int caisson_interface_mtu(const char *name) { return ask(name, mtu); }

int caisson_interface_switch_on(const char *name) { return ask(name, switch_on); }

int caisson_interface_exists(const char *name) { return if_nametoindex(name) != 0; }

int caisson_lock_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return result_of(fd);
}
