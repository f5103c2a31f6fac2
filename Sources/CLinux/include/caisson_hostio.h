// What host I/O needs and Swift cannot import as it is: threads with their signals blocked, the disposition of SIGPIPE,
// epoll, and system calls that return the negative errno.
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

// Starts a thread that runs body(argument), on another processor than the caller's if `elsewhere` is not 0 and it may use one.
// Signals meant for the process are blocked in it, so that they go to other threads; crashes, and the stop of a job that uses
// the terminal, are not. Returns 0 or the negative errno.
int caisson_start_thread(pthread_t *thread, int elsewhere, void *(*body)(void *), void *argument);

// Names the calling thread, which is quicker than to name another: at most 15 bytes.
void caisson_name_thread(const char *name);

// A write to a pipe or socket that nobody reads returns EPIPE instead of ending the process, unless the program
// handles SIGPIPE already.
void caisson_ignore_broken_pipes(void);

struct caisson_event {
    uint64_t id;
    uint32_t events;
};

// epoll_ctl and epoll_wait without unions and packed structures. `operation` is EPOLL_CTL_ADD, _MOD or _DEL;
// caisson_wait returns the number of events stored. Both return the negative errno on failure.
int caisson_watch(int epoll, int operation, int fd, uint32_t events, uint64_t id);
int caisson_wait(int epoll, struct caisson_event *events, int capacity, int timeout_milliseconds);

// Each returns the bytes moved (reading: 0 at the end), or the negative errno. The socket calls never block.
int64_t caisson_read(int fd, void *to, size_t count);
int64_t caisson_write(int fd, const void *from, size_t count);
int64_t caisson_receive(int socket, void *to, size_t count);
int64_t caisson_send(int socket, const void *from, size_t count);

// poll(2) on one descriptor: what is ready of `events` and of what is always told, 0 after the time-out, or the
// negative errno.
int caisson_poll(int fd, short events, int timeout_milliseconds);

// A second descriptor of the same open file, closed by exec, or the negative errno.
int caisson_duplicate(int fd);

// Has exec leave the descriptor open. Returns 0 or the negative errno.
int caisson_keep_over_exec(int fd);

// Whether the descriptor is open.
int caisson_is_open(int fd);

// Unix stream sockets, non-blocking and closed by exec: one that listens at `path` with access for its owner alone, one
// connected to `path`, and the next client of one that listens. Each returns the descriptor or the negative errno;
// -ENAMETOOLONG for a path of more than 107 bytes. An abstract name is no file: it goes with the socket, and anybody may connect.
int caisson_unix_listen(const char *path);
int caisson_unix_connect(const char *path);
int caisson_unix_listen_abstract(const char *name);
int caisson_unix_connect_abstract(const char *name);
int caisson_accept(int listener);
// The process at a connected socket's other end: its id or the negative errno, and its user.
int caisson_unix_peer(int socket, uint32_t *user);

// Two connected Unix stream sockets, closed by exec, of which the first is non-blocking. Returns 0 or the negative errno.
int caisson_socket_pair(int sockets[2]);
