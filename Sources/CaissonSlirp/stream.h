// Ethernet frames over a connected stream socket, each behind its length as 4 bytes big-endian.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// An IP packet of the greatest length, behind an Ethernet header with a VLAN tag.
#define FRAME_MAXIMUM (65535 + 18)
#define FRAME_MINIMUM 14

enum stream_state {
    STREAM_OPEN,
    // The machine's side has closed it.
    STREAM_ENDED,
    // What comes is no stream of frames.
    STREAM_BROKEN,
};

// Calls `frame` for every frame that has come whole, after one read from the socket.
enum stream_state stream_receive(int socket, void (*frame)(const uint8_t *bytes, size_t count));

// Sends a frame, or queues it. Drops it where the queue is full, as a network does.
void stream_send(int socket, const void *bytes, size_t count);

// Sends what is queued, as far as the socket takes it.
void stream_flush(int socket);

// Bytes that wait in the queue.
size_t stream_queued(void);

// So many bytes in the queue, and no more is asked of the host's sockets until it is shorter.
#define STREAM_QUEUE_LIMIT (256 * 1024)
