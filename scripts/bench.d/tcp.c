// One TCP stream, as the network benchmark has it in a guest and between two namespaces.
// usage: tcp serve PORT                     a line for each connection: its bytes and microseconds
//        tcp send|receive ADDRESS PORT BYTES
// The server takes the time: from the request of 16 bytes to the end of the stream.
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct request {
    uint64_t bytes;
    uint64_t is_for_data;
};

static char data[64 << 10];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void send_bytes(int stream, uint64_t count)
{
    while (count > 0) {
        ssize_t done = write(stream, data, count < sizeof(data) ? count : sizeof(data));
        if (done <= 0)
            fail("write");
        count -= (uint64_t)done;
    }
}

// Up to the end of the stream.
static uint64_t receive_all(int stream)
{
    uint64_t count = 0;
    ssize_t done;
    while ((done = read(stream, data, sizeof(data))) > 0)
        count += (uint64_t)done;
    if (done < 0)
        fail("read");
    return count;
}

static void serve(int stream)
{
    struct request request;
    struct timespec begin, end;
    if (recv(stream, &request, sizeof(request), MSG_WAITALL) != sizeof(request))
        fail("recv");
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (request.is_for_data) {
        send_bytes(stream, request.bytes);
        shutdown(stream, SHUT_WR);
        // The peer closes when it has it all.
        receive_all(stream);
    } else {
        request.bytes = receive_all(stream);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    close(stream);
    printf("%llu %lld\n", (unsigned long long)request.bytes,
           (end.tv_sec - begin.tv_sec) * 1000000LL + (end.tv_nsec - begin.tv_nsec) / 1000);
    fflush(stdout);
}

int main(int count, char **arguments)
{
    int stream = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (stream < 0)
        fail("socket");
    if (count == 3 && strcmp(arguments[1], "serve") == 0) {
        address.sin_port = htons((uint16_t)atoi(arguments[2]));
        setsockopt(stream, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        if (bind(stream, (struct sockaddr *)&address, sizeof(address)) || listen(stream, 8))
            fail("listen");
        puts("listening");
        fflush(stdout);
        for (int peer; (peer = accept(stream, NULL, NULL)) >= 0;)
            serve(peer);
        fail("accept");
    }
    if (count != 5) {
        fputs("usage: tcp serve PORT | tcp send|receive ADDRESS PORT BYTES\n", stderr);
        return 2;
    }
    struct request request = {
        .bytes = strtoull(arguments[4], NULL, 10), .is_for_data = strcmp(arguments[1], "receive") == 0};
    address.sin_port = htons((uint16_t)atoi(arguments[3]));
    if (inet_pton(AF_INET, arguments[2], &address.sin_addr) != 1 ||
        connect(stream, (struct sockaddr *)&address, sizeof(address)))
        fail("connect");
    if (write(stream, &request, sizeof(request)) != sizeof(request))
        fail("write");
    if (request.is_for_data)
        request.bytes -= receive_all(stream);
    else
        send_bytes(stream, request.bytes), request.bytes = 0;
    return request.bytes != 0;
}
