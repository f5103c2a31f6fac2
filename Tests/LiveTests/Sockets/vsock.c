// The guest's end of stream sockets for tests, a static program:
//   vsock echo PORT            answers each connection with what it sends, and says with how many bytes at its end
//   vsock source PORT BYTES    sends each connection that many bytes
//   vsock sink PORT            reads all that each connection sends, and says how many bytes that were
//   vsock connect PORT         connects with the host: standard input goes there, what comes goes to standard output
//   vsock send PORT BYTES      connects with the host and sends that many bytes
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[65536];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static long long move(int from, int to)
{
    long long total = 0;
    ssize_t count;
    while ((count = read(from, buffer, sizeof buffer)) > 0) {
        total += count;
        for (ssize_t done = 0; to >= 0 && done < count;) {
            ssize_t written = write(to, buffer + done, count - done);
            if (written < 0)
                fail("write");
            done += written;
        }
    }
    if (count < 0)
        fail("read");
    return total;
}

static void produce(int to, long long bytes)
{
    for (size_t i = 0; i < sizeof buffer; i++)
        buffer[i] = i * 7 + i / 251;
    while (bytes > 0) {
        ssize_t written = write(to, buffer, bytes < (long long)sizeof buffer ? bytes : (long long)sizeof buffer);
        if (written < 0)
            fail("write");
        bytes -= written;
    }
}

static void serve(int client, const char *mode, const char *bytes)
{
    long long total = 0;
    if (!strcmp(mode, "echo"))
        total = move(client, client);
    else if (!strcmp(mode, "sink"))
        total = move(client, -1);
    else
        produce(client, total = atoll(bytes));
    shutdown(client, SHUT_WR);
    printf("%s %lld\n", mode, total);
    exit(0);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    signal(SIGCHLD, SIG_IGN);
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (fd < 0)
        fail("socket");
    struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_port = strtoul(argv[2], NULL, 10) };
    if (!strcmp(argv[1], "connect") || !strcmp(argv[1], "send")) {
        address.svm_cid = VMADDR_CID_HOST;
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
            fail("connect");
        if (argc > 3)
            produce(fd, atoll(argv[3]));
        else
            move(0, fd);
        shutdown(fd, SHUT_WR);
        move(fd, 1);
        return 0;
    }
    address.svm_cid = VMADDR_CID_ANY;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0)
        fail("listen");
    printf("listening\n");
    fflush(stdout);
    for (;;) {
        int client = accept(fd, NULL, NULL);
        if (client < 0)
            fail("accept");
        if (fork() == 0)
            serve(client, argv[1], argc > 3 ? argv[3] : "0");
        close(client);
    }
}
