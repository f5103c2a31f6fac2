/*
 * caisson-slirp: the network of one machine in user mode, by libslirp.
 *
 *     caisson-slirp [host-loopback] [tcp:ADDRESS:PORT:GUESTPORT | udp:...]...
 *
 * Descriptor 3 is a stream socket to the machine, for Ethernet frames (stream.h). Descriptor 2 gets "ready" once every
 * port listens, or a line that says why not; 0 and 1 are /dev/null. The process ends with the stream: the kernel closes
 * the machine's end of it whatever ends the machine, which also holds where the thread that started this process ends
 * first, unlike PR_SET_PDEATHSIG.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <slirp/libslirp.h>

#include "confine.h"
#include "filter.h"
#include "stream.h"

#define MACHINE 3

// UserNetwork.mtu tells the guest the same. A packet of it fits in a frame of any kind.
#define MTU 65520

static Slirp *slirp;
static bool reaches_host;

static struct {
    struct pollfd *entries;
    int count, capacity;
} polled;

static void fail(const char *format, const char *what)
{
    dprintf(2, format, what);
    dprintf(2, "\n");
    exit(1);
}

static int add_poll(int fd, int events, void *opaque)
{
    (void)opaque;
    if (polled.count == polled.capacity) {
        int capacity = polled.capacity ? 2 * polled.capacity : 64;
        struct pollfd *entries = realloc(polled.entries, (size_t)capacity * sizeof *entries);
        if (!entries)
            abort();
        polled.entries = entries;
        polled.capacity = capacity;
    }
    polled.entries[polled.count] = (struct pollfd){
        .fd = fd,
        .events = (short)((events & SLIRP_POLL_IN ? POLLIN : 0) | (events & SLIRP_POLL_OUT ? POLLOUT : 0)
                          | (events & SLIRP_POLL_PRI ? POLLPRI : 0)),
    };
    return polled.count++;
}

static int get_events(int index, void *opaque)
{
    (void)opaque;
    short events = polled.entries[index].revents;
    return (events & POLLIN ? SLIRP_POLL_IN : 0) | (events & POLLOUT ? SLIRP_POLL_OUT : 0)
           | (events & POLLPRI ? SLIRP_POLL_PRI : 0) | (events & POLLERR ? SLIRP_POLL_ERR : 0)
           | (events & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static ssize_t send_packet(const void *bytes, size_t count, void *opaque)
{
    (void)opaque;
    filter_note(bytes, count);
    stream_send(MACHINE, bytes, count);
    return (ssize_t)count;
}

static void take_frame(const uint8_t *bytes, size_t count)
{
    uint8_t answer[54];
    switch (reaches_host ? FILTER_PASS : filter_frame(bytes, count, answer)) {
    case FILTER_PASS: slirp_input(slirp, bytes, (int)count); break;
    case FILTER_REFUSE: stream_send(MACHINE, answer, sizeof answer); break;
    case FILTER_DROP: break;
    }
}

static int64_t clock_get_ns(void *opaque)
{
    struct timespec now;
    (void)opaque;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

// Who guesses a guest's mistakes has the guest to look at; each frame of it could be one.
static void ignore_guest_error(const char *message, void *opaque) { (void)message, (void)opaque; }

// Descriptors are asked for in each round.
static void ignore_descriptor(int fd, void *opaque) { (void)fd, (void)opaque; }

static void ignore_notice(void *opaque) { (void)opaque; }

// Timers are IPv6's alone.
static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = ignore_guest_error,
    .clock_get_ns = clock_get_ns,
    .register_poll_fd = ignore_descriptor,
    .unregister_poll_fd = ignore_descriptor,
    .notify = ignore_notice,
};

static void make_network(void)
{
    const SlirpConfig configuration = {
        .version = 1,
        .in_enabled = true,
        .vnetwork.s_addr = inet_addr("10.0.2.0"),
        .vnetmask.s_addr = inet_addr("255.255.255.0"),
        .vhost.s_addr = inet_addr("10.0.2.2"),
        .vnameserver.s_addr = inet_addr("10.0.2.3"),
        .vdhcp_start.s_addr = inet_addr("10.0.2.15"),
        // Nothing is between the guest and this end that a packet could be too large for.
        .if_mtu = MTU,
        .if_mru = MTU,
        // filter.h says why not by libslirp.
        .disable_host_loopback = false,
    };
    slirp = slirp_new(&configuration, &callbacks, NULL);
    if (!slirp)
        fail("%s cannot start", "libslirp");
}

// protocol:address:port:guestport
static void publish(char *words)
{
    char *protocol = strsep(&words, ":"), *address = strsep(&words, ":"), *port = strsep(&words, ":");
    struct in_addr host = { 0 }, guest = { 0 };

    if (!words || inet_aton(address, &host) == 0)
        fail("'%s' is no port to publish", protocol);
    if (slirp_add_hostfwd(slirp, strcmp(protocol, "udp") == 0, host, atoi(port), guest, atoi(words)) == 0)
        return;
    dprintf(2, "cannot listen at %s:%s/%s: %s%s\n", address, port, protocol, strerror(errno),
            errno == EADDRINUSE ? "; perhaps another machine publishes it"
            : errno == EACCES   ? "; ports below 1024 are for privileged users"
                                : "");
    exit(1);
}

static void serve(void)
{
    for (;;) {
        uint32_t timeout = UINT32_MAX;
        bool is_behind = stream_queued() > STREAM_QUEUE_LIMIT;
        short events;
        int ready;

        polled.count = 0;
        add_poll(MACHINE, SLIRP_POLL_IN | (stream_queued() ? SLIRP_POLL_OUT : 0), NULL);
        // A machine that takes nothing gets no more from the hosts behind the network: TCP has them wait.
        if (!is_behind)
            slirp_pollfds_fill(slirp, &timeout, add_poll, NULL);
        ready = poll(polled.entries, (nfds_t)polled.count, timeout > 1000000 ? -1 : (int)timeout);
        if (ready < 0 && errno != EINTR)
            exit(1);
        events = ready < 0 ? 0 : polled.entries[0].revents;
        if (!is_behind)
            slirp_pollfds_poll(slirp, ready < 0, get_events, NULL);
        if (events & POLLOUT)
            stream_flush(MACHINE);
        if (events & ~POLLOUT) {
            switch (stream_receive(MACHINE, take_frame)) {
            case STREAM_OPEN: break;
            case STREAM_ENDED: exit(0);
            case STREAM_BROKEN: exit(1);
            }
        }
    }
}

int main(int argc, char **argv)
{
    int first = 1, error;

    if (argc > first && strcmp(argv[first], "host-loopback") == 0) {
        reaches_host = true;
        first++;
    }
    make_network();
    for (int i = first; i < argc; i++)
        publish(argv[i]);
    error = confine();
    if (error < 0)
        fail("cannot confine itself: %s", strerror(-error));
    dprintf(2, "ready\n");
    // There is nobody to tell any more. The number is not to be a socket's, for what libraries write to it.
    dup2(1, 2);
    serve();
}
