/* TCP: throughput, requests on open connections, connections, latency. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "workload.h"

#define LOOPBACK "127.0.0.1"
#define CONNECTIONS 16
#define REQUEST_BYTES 64
#define BLOCK_BYTES 65536

struct client {
	struct sockaddr_in server;
	int sockets[CONNECTIONS];
	int poll;
};

static char buffer[BLOCK_BYTES];

static int open_connection(const struct client *client)
{
	int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (connection < 0)
		fail_errno("socket");
	if (connect(connection, (const struct sockaddr *)&client->server, sizeof(client->server)))
		fail_errno("connect");
	setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return connection;
}

static struct client client_of(const char *address, uint16_t port)
{
	struct client client = { .server = { .sin_family = AF_INET, .sin_port = htons(port) } };

	if (inet_pton(AF_INET, address, &client.server.sin_addr) != 1)
		fail("%s is not an IPv4 address", address);
	client.sockets[0] = open_connection(&client);
	return client;
}

static void ask(int connection, uint64_t upload, uint64_t download)
{
	struct tcp_request request = { .upload = upload, .download = download };
	size_t first = upload < BLOCK_BYTES - sizeof(request) ? upload : BLOCK_BYTES - sizeof(request);

	memcpy(buffer, &request, sizeof(request));
	write_all(connection, buffer, sizeof(request) + first);
	for (upload -= first; upload > 0; upload -= first) {
		first = upload < BLOCK_BYTES ? upload : BLOCK_BYTES;
		write_all(connection, buffer, first);
	}
}

/* The whole answer, which says how much the server got. */
static void take_answer(int connection, uint64_t upload, uint64_t download)
{
	uint64_t counted;

	read_all(connection, &counted, sizeof(counted));
	if (counted != upload)
		fail("%llu bytes of %llu came", (unsigned long long)counted, (unsigned long long)upload);
	for (download -= sizeof(counted); download > 0;) {
		ssize_t done = read(connection, buffer, download < BLOCK_BYTES ? download : BLOCK_BYTES);

		if (done <= 0)
			fail_errno("read");
		download -= (uint64_t)done;
	}
}

/* Up and down, `count` blocks as one stream, whose end is waited for. */
static void upload(void *context, uint64_t count)
{
	const struct client *client = context;

	ask(client->sockets[0], count * BLOCK_BYTES, sizeof(uint64_t));
	take_answer(client->sockets[0], count * BLOCK_BYTES, sizeof(uint64_t));
}

static void download(void *context, uint64_t count)
{
	const struct client *client = context;

	ask(client->sockets[0], 0, count * BLOCK_BYTES);
	take_answer(client->sockets[0], 0, count * BLOCK_BYTES);
}

static void ask_small(int connection)
{
	ask(connection, REQUEST_BYTES - sizeof(struct tcp_request), REQUEST_BYTES);
}

static void take_small(int connection)
{
	take_answer(connection, REQUEST_BYTES - sizeof(struct tcp_request), REQUEST_BYTES);
}

static void go_round(void *context, uint64_t count)
{
	const struct client *client = context;

	while (count--) {
		ask_small(client->sockets[0]);
		take_small(client->sockets[0]);
	}
}

/* A request is under way on each connection all the time, but for a batch's ends. */
static void request(void *context, uint64_t count)
{
	const struct client *client = context;
	uint64_t asked = 0, answered = 0;

	while (asked < count && asked < CONNECTIONS)
		ask_small(client->sockets[asked++]);
	while (answered < count) {
		struct epoll_event events[CONNECTIONS];
		int ready = epoll_wait(client->poll, events, CONNECTIONS, -1);

		if (ready < 0)
			fail_errno("epoll_wait");
		for (int i = 0; i < ready; i++) {
			take_small(events[i].data.fd);
			answered++;
			if (asked < count) {
				ask_small(events[i].data.fd);
				asked++;
			}
		}
	}
}

/* A connection for a request alone. Its end is a reset, so that no port waits a minute to be used again. */
static void connect_and_request(void *context, uint64_t count)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	const struct client *client = context;

	while (count--) {
		int connection = open_connection(client);

		ask_small(connection);
		take_small(connection);
		setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(connection);
	}
}

static void measure_throughput(struct client *client, double seconds)
{
	report("send", BLOCK_BYTES / seconds_each(seconds / 2, upload, client) / 1e6, "MB/s", HIGHER);
	report("receive", BLOCK_BYTES / seconds_each(seconds / 2, download, client) / 1e6, "MB/s", HIGHER);
}

static void measure_requests(struct client *client, double seconds)
{
	client->poll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < CONNECTIONS; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		if (i > 0)
			client->sockets[i] = open_connection(client);
		event.data.fd = client->sockets[i];
		if (epoll_ctl(client->poll, EPOLL_CTL_ADD, client->sockets[i], &event))
			fail_errno("epoll_ctl");
	}
	report("requests", 1 / seconds_each(seconds / 2, request, client), "1/s", HIGHER);
	report("connections", 1 / seconds_each(seconds / 2, connect_and_request, client), "1/s", HIGHER);
}

static void measure_latency(struct client *client, double seconds)
{
	struct distribution times = distribution_of(seconds, go_round, client);

	report("median", times.median * 1e6, "µs", LOWER);
	report("p99", times.p99 * 1e6, "µs", LOWER);
}

static void serve(void *context)
{
	tcp_serve(*(int *)context);
}

static void measure_on_loopback(const struct options *options, void (*measure)(struct client *, double))
{
	int listener = tcp_listen(LOOPBACK, 0);
	pid_t server = start(serve, &listener);
	struct client client = client_of(LOOPBACK, tcp_port(listener));

	measure(&client, options->seconds);
	end_child(server);
}

void run_tcp_throughput(const struct options *options)
{
	measure_on_loopback(options, measure_throughput);
}

void run_tcp_requests(const struct options *options)
{
	measure_on_loopback(options, measure_requests);
}

void run_tcp_latency(const struct options *options)
{
	measure_on_loopback(options, measure_latency);
}

/* All of it, from a server elsewhere. */
void run_tcp_client(const struct options *options, const char *address, uint16_t port)
{
	struct client client = client_of(address, port);

	measure_throughput(&client, options->seconds / 3);
	measure_latency(&client, options->seconds / 3);
	measure_requests(&client, options->seconds / 3);
}
