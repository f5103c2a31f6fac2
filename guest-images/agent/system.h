/*
 * Linux as nolibc leaves it out: system calls, constants and structures. Each
 * call returns the negative errno on failure.
 */
#pragma once

#include <asm/termios.h>
#include <linux/sched.h>
#include <linux/sockios.h>

#define MS_MOVE 8192

#define AF_INET 2
#define AF_VSOCK 40
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_NONBLOCK 04000
#define SOCK_CLOEXEC 02000000
#define MSG_NOSIGNAL 0x4000
#define MSG_DONTWAIT 0x40
#define HOST_CID 2
#define ANY_CID 0xffffffffU

#ifndef O_CLOEXEC
#define O_CLOEXEC 02000000
#endif
#ifndef O_NONBLOCK
#define O_NONBLOCK 04000
#endif
#ifndef O_NOFOLLOW
#define O_NOFOLLOW 0400000
#endif
#ifndef O_NOCTTY
#define O_NOCTTY 0400
#endif
#define ACCESS_EXECUTE 1

struct address_vsock {
	unsigned short family;
	unsigned short zero;
	unsigned int port;
	unsigned int cid;
	unsigned char rest[4];
};

struct address_inet {
	unsigned short family;
	unsigned short port;
	unsigned int address;
	unsigned char rest[8];
};

/* struct ifreq; <linux/if.h> needs a C library. */
struct interface_request {
	char name[16];
	union {
		short flags;
		struct address_inet address;
		char space[24];
	};
};
#define INTERFACE_UP 1

/* struct rtentry of <linux/route.h>. */
struct route_request {
	unsigned long pad1;
	struct address_inet destination;
	struct address_inet gateway;
	struct address_inet mask;
	unsigned short flags;
	short pad2;
	unsigned long pad3;
	void *pad4;
	short metric;
	char *device;
	unsigned long mtu;
	unsigned long window;
	unsigned short rtt;
};
#define ROUTE_UP 1
#define ROUTE_GATEWAY 2

struct signal_information {
	unsigned int number;
	unsigned char rest[124];
};

/* nolibc's own put arguments into registers one by one: a call among them would change those that are filled already. */
#define system1(name, a)                           \
	({                                         \
		long a_ = (long)(a);               \
		my_syscall1(__NR_##name, a_);      \
	})
#define system2(name, a, b)                        \
	({                                         \
		long a_ = (long)(a), b_ = (long)(b); \
		my_syscall2(__NR_##name, a_, b_);  \
	})
#define system3(name, a, b, c)                                        \
	({                                                            \
		long a_ = (long)(a), b_ = (long)(b), c_ = (long)(c);  \
		my_syscall3(__NR_##name, a_, b_, c_);                 \
	})
#define system4(name, a, b, c, d)                                                      \
	({                                                                             \
		long a_ = (long)(a), b_ = (long)(b), c_ = (long)(c), d_ = (long)(d);   \
		my_syscall4(__NR_##name, a_, b_, c_, d_);                              \
	})
#define system6(name, a, b, c, d, e, f)                                                \
	({                                                                             \
		long a_ = (long)(a), b_ = (long)(b), c_ = (long)(c), d_ = (long)(d);   \
		long e_ = (long)(e), f_ = (long)(f);                                   \
		my_syscall6(__NR_##name, a_, b_, c_, d_, e_, f_);                      \
	})

static inline unsigned long signal_bit(int number)
{
	return 1UL << (number - 1);
}
