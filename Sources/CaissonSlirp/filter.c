#include "filter.h"

#include <string.h>

enum { ETHERNET = 14, IPV4 = 20, UDP_HEADER = 8, TCP_HEADER = 20 };
enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };
enum { TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

#define NETWORK 0x0a000200u
#define GATEWAY 0x0a000202u
#define NAME_SERVER 0x0a000203u
#define BROADCAST 0xffffffffu

static uint32_t big16(const uint8_t *bytes) { return (uint32_t)bytes[0] << 8 | bytes[1]; }
static uint32_t big32(const uint8_t *bytes) { return big16(bytes) << 16 | big16(bytes + 2); }

static void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

// Who sent datagrams to the guest last, by its port and theirs; a new one may take an old one's place.
static uint32_t peers[1024];

static uint32_t *peer(uint32_t pair) { return &peers[(pair ^ pair >> 16) % (sizeof peers / sizeof *peers)]; }

struct packet {
    uint32_t destination;
    int protocol;
    // Of the packet's payload, within the frame; NULL for a fragment.
    const uint8_t *payload;
    size_t count;
};

// False for what is no IPv4 packet. libslirp finds the addresses at the same place, whatever else it makes of it.
static bool parse(const uint8_t *frame, size_t count, struct packet *packet)
{
    if (count < ETHERNET + IPV4 || big16(frame + 12) != 0x0800)
        return false;
    const uint8_t *header = frame + ETHERNET;
    size_t length = (size_t)(header[0] & 15) * 4;
    bool is_fragment = (big16(header + 6) & 0x3fff) != 0;
    *packet = (struct packet){ .destination = big32(header + 16), .protocol = header[9] };
    if (!is_fragment && length >= IPV4 && count >= ETHERNET + length) {
        packet->payload = header + length;
        packet->count = count - ETHERNET - length;
    }
    return true;
}

void filter_note(const uint8_t *frame, size_t count)
{
    struct packet packet;
    if (!parse(frame, count, &packet) || packet.protocol != PROTOCOL_UDP || packet.count < UDP_HEADER
        || big32(frame + ETHERNET + 12) != GATEWAY)
        return;
    uint32_t pair = big32(packet.payload);
    *peer(pair) = pair;
}

// RFC 1071.
static uint32_t sum(uint32_t sum, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i += 2)
        sum += big16(bytes + i);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

// RFC 9293, 3.10.7.1: a reset, as a port that nobody listens at sends it.
static void make_reset(const uint8_t *frame, const uint8_t *segment, uint8_t answer[static 54])
{
    uint8_t *ip = answer + ETHERNET, *tcp = ip + IPV4;
    uint32_t acknowledged = big32(segment + 4) + 1;

    memset(answer, 0, ETHERNET + IPV4 + TCP_HEADER);
    memcpy(answer, frame + 6, 6);
    memcpy(answer + 6, frame, 6);
    put16(answer + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, IPV4 + TCP_HEADER);
    ip[8] = 64;
    ip[9] = PROTOCOL_TCP;
    memcpy(ip + 12, frame + ETHERNET + 16, 4);
    memcpy(ip + 16, frame + ETHERNET + 12, 4);
    put16(ip + 10, ~sum(0, ip, IPV4));
    memcpy(tcp, segment + 2, 2);
    memcpy(tcp + 2, segment, 2);
    put16(tcp + 8, acknowledged >> 16);
    put16(tcp + 10, acknowledged);
    tcp[12] = TCP_HEADER / 4 << 4;
    tcp[13] = TCP_RST | TCP_ACK;
    put16(tcp + 16, ~sum(sum(PROTOCOL_TCP + TCP_HEADER, ip + 12, 8), tcp, TCP_HEADER));
}

enum filter_verdict filter_frame(const uint8_t *frame, size_t count, uint8_t answer[static 54])
{
    struct packet packet;
    if (!parse(frame, count, &packet))
        return FILTER_PASS;
    // No network leads to these.
    if (packet.destination >> 24 == 127 || packet.destination >> 24 == 0)
        return FILTER_DROP;
    if ((packet.destination & ~255u) != NETWORK && packet.destination != BROADCAST)
        return FILTER_PASS;
    if (packet.protocol == PROTOCOL_ICMP)
        return FILTER_PASS;
    if (packet.count < UDP_HEADER)
        return FILTER_DROP;

    uint32_t port = big16(packet.payload + 2);
    if (packet.destination == NAME_SERVER && port == 53)
        return FILTER_PASS;
    if (packet.protocol == PROTOCOL_UDP) {
        // DHCP, and answers.
        uint32_t pair = port << 16 | big16(packet.payload);
        bool is_answer = packet.destination == GATEWAY && *peer(pair) == pair;
        return port == 67 || is_answer ? FILTER_PASS : FILTER_DROP;
    }
    if (packet.protocol != PROTOCOL_TCP || packet.count < TCP_HEADER)
        return FILTER_DROP;
    // Only a segment with SYN alone begins a connection.
    if ((packet.payload[13] & (TCP_SYN | TCP_ACK)) != TCP_SYN)
        return FILTER_PASS;
    make_reset(frame, packet.payload, answer);
    return FILTER_REFUSE;
}
