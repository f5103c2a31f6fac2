#define _GNU_SOURCE
#include "caisson_hostio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct beginning {
    void *(*body)(void *);
    void *argument;
    cpu_set_t allowed;
};

static void *begin_elsewhere(void *argument)
{
    struct beginning beginning = *(struct beginning *)argument;
    free(argument);
    // By itself, before anything else: whoever made it might undo what the body asks for.
    sched_setaffinity(0, sizeof beginning.allowed, &beginning.allowed);
    return beginning.body(beginning.argument);
}

// Beginning on another processor than this, where the process may use one.
static int create_elsewhere(pthread_t *thread, void *(*body)(void *), void *argument)
{
    cpu_set_t others;
    pthread_attr_t attributes;
    struct beginning beginning = { .body = body, .argument = argument };
    int here = sched_getcpu();
    if (here < 0 || here >= CPU_SETSIZE || sched_getaffinity(0, sizeof beginning.allowed, &beginning.allowed) < 0)
        return EINVAL;
    others = beginning.allowed;
    CPU_CLR(here, &others);
    if (CPU_COUNT(&others) == 0)
        return EINVAL;
    struct beginning *kept = malloc(sizeof *kept);
    if (kept == NULL)
        return ENOMEM;
    *kept = beginning;
    int error = pthread_attr_init(&attributes);
    if (error == 0) {
        error = pthread_attr_setaffinity_np(&attributes, sizeof others, &others);
        if (error == 0)
            error = pthread_create(thread, &attributes, begin_elsewhere, kept);
        pthread_attr_destroy(&attributes);
    }
    if (error != 0)
        free(kept);
    return error;
}

int caisson_start_thread(pthread_t *thread, int elsewhere, void *(*body)(void *), void *argument)
{
    static const int unblocked[] = {
        SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, SIGTTIN, SIGTTOU,
    };
    sigset_t set, old;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof unblocked / sizeof *unblocked; i++)
        sigdelset(&set, unblocked[i]);
    int error = pthread_sigmask(SIG_SETMASK, &set, &old);
    if (error != 0)
        return -error;
    error = elsewhere ? create_elsewhere(thread, body, argument) : EINVAL;
    if (error != 0)
        error = pthread_create(thread, NULL, body, argument);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -error;
}

void caisson_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

void caisson_ignore_broken_pipes(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
    }
}

int caisson_watch(int epoll, int operation, int fd, uint32_t events, uint64_t id)
{
    struct epoll_event event = { .events = events, .data.u64 = id };
    return epoll_ctl(epoll, operation, fd, &event) < 0 ? -errno : 0;
}

int caisson_wait(int epoll, struct caisson_event *events, int capacity, int timeout_milliseconds)
{
    struct epoll_event ready[32];
    if (capacity > 32)
        capacity = 32;
    int count = epoll_wait(epoll, ready, capacity, timeout_milliseconds);
    for (int i = 0; i < count; i++)
        events[i] = (struct caisson_event){ .id = ready[i].data.u64, .events = ready[i].events };
    return count < 0 ? -errno : count;
}

static int64_t result(ssize_t count) { return count < 0 ? -errno : count; }

int64_t caisson_read(int fd, void *to, size_t count) { return result(read(fd, to, count)); }

int64_t caisson_write(int fd, const void *from, size_t count) { return result(write(fd, from, count)); }

int64_t caisson_receive(int socket, void *to, size_t count) { return result(recv(socket, to, count, MSG_DONTWAIT)); }

int64_t caisson_send(int socket, const void *from, size_t count)
{
    return result(send(socket, from, count, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int caisson_poll(int fd, short events, int timeout_milliseconds)
{
    struct pollfd waited = { .fd = fd, .events = events };
    int count = poll(&waited, 1, timeout_milliseconds);
    return count < 0 ? -errno : count == 0 ? 0 : waited.revents;
}

int caisson_duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

// A name in the abstract namespace follows a NUL and has none behind it (unix(7)).
static int unix_socket(const char *path, int is_abstract, struct sockaddr_un *address, socklen_t *size)
{
    const size_t length = strlen(path);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length >= sizeof address->sun_path)
        return -ENAMETOOLONG;
    memcpy(address->sun_path + is_abstract, path, length);
    *size = offsetof(struct sockaddr_un, sun_path) + length + 1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static int keep(int fd, int failed)
{
    if (!failed)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

static int listen_at(const char *path, int is_abstract)
{
    struct sockaddr_un address;
    socklen_t size;
    int fd = unix_socket(path, is_abstract, &address, &size);
    if (fd < 0)
        return fd;
    // The file that bind makes takes over the socket's mode.
    return keep(fd, fchmod(fd, S_IRUSR | S_IWUSR) < 0 || bind(fd, (struct sockaddr *)&address, size) < 0
                        || listen(fd, 128) < 0);
}

static int connect_to(const char *path, int is_abstract)
{
    struct sockaddr_un address;
    socklen_t size;
    int fd = unix_socket(path, is_abstract, &address, &size);
    return fd < 0 ? fd : keep(fd, connect(fd, (struct sockaddr *)&address, size) < 0);
}

int caisson_unix_listen(const char *path) { return listen_at(path, 0); }

int caisson_unix_connect(const char *path) { return connect_to(path, 0); }

int caisson_unix_listen_abstract(const char *name) { return listen_at(name, 1); }

int caisson_unix_connect_abstract(const char *name) { return connect_to(name, 1); }

int caisson_unix_peer(int socket, uint32_t *user)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return -errno;
    *user = peer.uid;
    return peer.pid;
}

int caisson_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int caisson_socket_pair(int sockets[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
        return -errno;
    fcntl(sockets[0], F_SETFL, O_NONBLOCK);
    return 0;
}

int caisson_keep_over_exec(int fd) { return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0; }

int caisson_is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }
