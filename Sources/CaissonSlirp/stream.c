#define _GNU_SOURCE
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define HEADER 4

// One whole frame, and what one read may bring behind it.
static uint8_t input[2 * (HEADER + FRAME_MAXIMUM)];
static size_t input_count;

// Beyond the limit there is room for what the sockets bring in one round.
static uint8_t output[4 * STREAM_QUEUE_LIMIT];
static size_t output_begin, output_end;

enum stream_state stream_receive(int socket, void (*frame)(const uint8_t *bytes, size_t count))
{
    // What is left of the last read is less than one frame, so there is always room.
    ssize_t got = recv(socket, input + input_count, sizeof input - input_count, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? STREAM_OPEN : STREAM_ENDED;
    if (got == 0)
        return STREAM_ENDED;
    input_count += (size_t)got;

    size_t begin = 0;
    while (input_count - begin >= HEADER) {
        uint32_t length;
        memcpy(&length, input + begin, sizeof length);
        length = ntohl(length);
        // Where the next frame begins cannot be known any more.
        if (length < FRAME_MINIMUM || length > FRAME_MAXIMUM)
            return STREAM_BROKEN;
        if (input_count - begin - HEADER < length)
            break;
        frame(input + begin + HEADER, length);
        begin += HEADER + length;
    }
    input_count -= begin;
    memmove(input, input + begin, input_count);
    return STREAM_OPEN;
}

static void enqueue(const void *bytes, size_t count)
{
    memcpy(output + output_end, bytes, count);
    output_end += count;
}

void stream_send(int socket, const void *bytes, size_t count)
{
    uint32_t length = htonl((uint32_t)count);
    ssize_t sent = 0;

    if (count < FRAME_MINIMUM || count > FRAME_MAXIMUM)
        return;
    if (stream_queued() == 0) {
        struct iovec parts[] = { { &length, HEADER }, { (void *)bytes, count } };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
        sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        // The end of the stream shows when it is read.
        if (sent < 0)
            sent = 0;
    }
    if (sizeof output - output_end < HEADER + count) {
        memmove(output, output + output_begin, stream_queued());
        output_end -= output_begin;
        output_begin = 0;
    }
    // Only what is not begun may be dropped, and before that is begun the queue is empty.
    if (sizeof output - output_end < HEADER + count)
        return;
    if ((size_t)sent < HEADER) {
        enqueue((const uint8_t *)&length + sent, HEADER - (size_t)sent);
        sent = HEADER;
    }
    enqueue((const uint8_t *)bytes + (sent - HEADER), HEADER + count - (size_t)sent);
}

void stream_flush(int socket)
{
    ssize_t sent = send(socket, output + output_begin, stream_queued(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
        output_begin += (size_t)sent;
    if (stream_queued() == 0)
        output_begin = output_end = 0;
}

size_t stream_queued(void) { return output_end - output_begin; }
