// The kernel's interfaces as Swift can import them: function-like macros become constants, ioctls
// return a negative errno, and memory shared with a guest or the kernel is read and written with
// explicit order. No logic lives here.
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "caisson_disk.h"
#include "caisson_hostio.h"
#include "caisson_ioctl.h"
#include "caisson_memory.h"
#include "caisson_native.h"
#include "caisson_process.h"
#include "caisson_network.h"
#include "caisson_processor.h"
#include "caisson_run.h"
#include "caisson_share.h"
#include "caisson_store.h"
#include "caisson_terminal.h"
#include "caisson_thread.h"
