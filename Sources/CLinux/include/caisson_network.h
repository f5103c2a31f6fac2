// What network interfaces need and Swift cannot import as it is: variadic calls, unions, and constants behind macros.
// Each returns the negative errno on failure.
#pragma once

#include <stdint.h>
#include <sys/uio.h>

// readv(2) and writev(2); on a socket, the latter without waiting and without SIGPIPE.
int64_t caisson_read_segments(int fd, const struct iovec *segments, int count);
int64_t caisson_write_segments(int fd, const struct iovec *segments, int count);
int64_t caisson_send_segments(int socket, const struct iovec *segments, int count);

// A queue of a tap interface, which is made where there is none: non-blocking, closed by exec, frames behind
// `header_size` bytes of little-endian struct virtio_net_hdr. `name` has 16 bytes, the name that was given to the
// interface afterwards.
int caisson_open_tun(void);
int caisson_tap_attach(int fd, char *name, int several_queues);
int caisson_tap_set_header(int fd, int header_size);

// What the reader of frames does itself: CAISSON_TAP_CHECKSUM ...
int caisson_tap_set_offloads(int fd, unsigned offloads);
enum {
    CAISSON_TAP_CHECKSUM = 0x01,
    CAISSON_TAP_TCP4 = 0x02,
    CAISSON_TAP_TCP6 = 0x04,
    CAISSON_TAP_CONGESTION = 0x08,
    CAISSON_TAP_UDP4 = 0x20,
    CAISSON_TAP_UDP6 = 0x40,
};

// Whether frames come to this queue of several.
int caisson_tap_enable_queue(int fd, int enabled);

// An interface's MTU, whether there is such an interface, and switching it on.
int caisson_interface_mtu(const char *name);
int caisson_interface_exists(const char *name);
int caisson_interface_switch_on(const char *name);

// Locks a directory against others that do so too, waiting for it; unlocked when the descriptor is closed.
int caisson_lock_directory(const char *path);
