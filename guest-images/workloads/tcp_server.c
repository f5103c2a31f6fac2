/* The server of the TCP workloads: one process, all connections served in turns, as an event-driven server does it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "workload.h"

#define EVENTS 64

struct connection {
	int socket;
	uint32_t waits_for;
	struct tcp_request request;
	size_t request_bytes;
	uint64_t uploaded;
	uint64_t downloaded;
};

static char buffer[65536];

int tcp_listen(const char *address, uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (listener < 0)
		fail_errno("socket");
	if (inet_pton(AF_INET, address, &name.sin_addr) != 1)
		fail("%s is not an IPv4 address", address);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&name, sizeof(name)) || listen(listener, 128))
		fail("%s, port %d: %s", address, port, strerror(errno));
	return listener;
}

uint16_t tcp_port(int listener)
{
	struct sockaddr_in name;
	socklen_t size = sizeof(name);

	if (getsockname(listener, (struct sockaddr *)&name, &size))
		fail_errno("getsockname");
	return ntohs(name.sin_port);
}

/* The number of bytes that went, 0 when it has to be waited, negative when the connection is over. */
static ssize_t result_of(ssize_t done)
{
	if (done > 0)
		return done;
	return done < 0 && errno == EAGAIN ? 0 : -1;
}

static ssize_t receive(struct connection *c)
{
	uint64_t left = c->request.upload - c->uploaded;
	ssize_t done;

	if (c->request_bytes < sizeof(c->request)) {
		done = result_of(read(c->socket, (char *)&c->request + c->request_bytes,
			sizeof(c->request) - c->request_bytes));
		if (done > 0)
			c->request_bytes += (size_t)done;
		return done;
	}
	done = result_of(read(c->socket, buffer, left < sizeof(buffer) ? left : sizeof(buffer)));
	if (done > 0)
		c->uploaded += (uint64_t)done;
	return done;
}

static ssize_t answer(struct connection *c)
{
	uint64_t left = c->request.download - c->downloaded, size = left < sizeof(buffer) ? left : sizeof(buffer);
	ssize_t done;

	/* The count stands at the start of every buffer: no answer is sent in pieces smaller than that. */
	memcpy(buffer, &c->uploaded, sizeof(c->uploaded));
	done = result_of(send(c->socket, buffer, size, MSG_NOSIGNAL));
	if (done > 0)
		c->downloaded += (uint64_t)done;
	return done;
}

/* Goes on with a connection until it has to wait. Returns what for, or 0 when it is over. */
static uint32_t go_on(struct connection *c)
{
	while (1) {
		int is_answering = c->request_bytes == sizeof(c->request) && c->uploaded == c->request.upload;
		ssize_t done = is_answering ? answer(c) : receive(c);

		if (done < 0)
			return 0;
		if (done == 0)
			return is_answering ? EPOLLOUT : EPOLLIN;
		if (is_answering && c->downloaded == c->request.download) {
			c->request_bytes = 0;
			c->request = (struct tcp_request){ 0 };
			c->uploaded = c->downloaded = 0;
			/* The client waits for the answer before it asks again. */
			return EPOLLIN;
		}
	}
}

static void accept_one(int poll, int listener)
{
	struct epoll_event event = { .events = EPOLLIN };
	int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
	struct connection *c;

	if (socket < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		fail_errno("memory");
	c->socket = socket;
	c->waits_for = EPOLLIN;
	event.data.ptr = c;
	setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event))
		fail_errno("epoll_ctl");
}

void tcp_serve(int listener)
{
	struct epoll_event events[EVENTS], event = { .events = EPOLLIN };
	int poll = epoll_create1(EPOLL_CLOEXEC);

	if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event))
		fail_errno("epoll");
	while (1) {
		int count = epoll_wait(poll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			struct connection *c = events[i].data.ptr;
			uint32_t wanted;

			if (!c) {
				accept_one(poll, listener);
				continue;
			}
			wanted = go_on(c);
			if (!wanted) {
				close(c->socket);
				free(c);
			} else if (wanted != c->waits_for) {
				event = (struct epoll_event){ .events = wanted, .data.ptr = c };
				c->waits_for = wanted;
				epoll_ctl(poll, EPOLL_CTL_MOD, c->socket, &event);
			}
		}
	}
}
