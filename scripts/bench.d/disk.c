// The benchmark's guest for disks: a driver of virtio block devices over MMIO (virtio 1.2, 4.2 and 5.2) of as few
// instructions as do it, since on some hosts each of a guest's kernel costs half a microsecond.
//
// REQUESTS reads of BYTES each are made once. A batch makes all of them available to each of DISKS disks by one store, and
// polls until all are used; so a batch costs the guest the same for any number of requests. It says A after a first
// batch, B after BATCHES more, and stands still.
#include <stdint.h>

enum { WINDOW = 0xd0000000, WINDOW_SIZE = 0x1000, QUEUE_SIZE = 256, SECTOR = 512 };
enum { STATUS = 0x70, FEATURES = 0x20, FEATURES_SELECT = 0x24, QUEUE_SELECT = 0x30, QUEUE_LENGTH = 0x38, QUEUE_READY = 0x44,
       QUEUE_NOTIFY = 0x50, DESCRIPTORS = 0x80, DRIVER_AREA = 0x90, DEVICE_AREA = 0xa0 };
enum { NEXT = 1, WRITE = 2, NO_INTERRUPT = 1 };

struct descriptor { uint64_t address; uint32_t length; uint16_t flags, next; };
struct disk {
    struct descriptor descriptors[QUEUE_SIZE];
    struct { volatile uint16_t flags, index; uint16_t ring[QUEUE_SIZE], used_event; } available;
    struct { volatile uint16_t flags, index; struct { uint32_t head, length; } ring[QUEUE_SIZE]; uint16_t available_event; } used __attribute__((aligned(4)));
    struct { uint32_t type, reserved; uint64_t sector; } headers[REQUESTS];
    uint8_t statuses[REQUESTS];
} __attribute__((aligned(4096)));

_Static_assert(3 * REQUESTS <= QUEUE_SIZE, "a request has three descriptors");

// Behind the program, whose memory is zero.
static struct disk *const disks = (struct disk *)0x400000;
static uint8_t *const data = (uint8_t *)0x1000000;

static volatile uint32_t *device_register(int disk, int offset)
{
    return (volatile uint32_t *)(uintptr_t)(WINDOW + disk * WINDOW_SIZE + offset);
}

static void say(char letter) { __asm__ volatile("outb %0, %1" : : "a"(letter), "d"((uint16_t)0x3f8)); }

static void fail(void)
{
    say('!');
    for (;;)
        ;
}

static void set_up(int number)
{
    struct disk *disk = &disks[number];
    *device_register(number, STATUS) = 0;
    *device_register(number, STATUS) = 3;
    *device_register(number, FEATURES_SELECT) = 1;
    *device_register(number, FEATURES) = 1;
    *device_register(number, STATUS) = 11;
    if (*device_register(number, STATUS) != 11)
        fail();
    *device_register(number, QUEUE_SELECT) = 0;
    *device_register(number, QUEUE_LENGTH) = QUEUE_SIZE;
    *device_register(number, DESCRIPTORS) = (uintptr_t)disk->descriptors;
    *device_register(number, DRIVER_AREA) = (uintptr_t)&disk->available;
    *device_register(number, DEVICE_AREA) = (uintptr_t)&disk->used;
    *device_register(number, QUEUE_READY) = 1;
    *device_register(number, STATUS) = 15;
    disk->available.flags = NO_INTERRUPT;
    for (int request = 0; request < REQUESTS; request++) {
        struct descriptor *chain = &disk->descriptors[3 * request];
        // 37 is no divisor of the number of requests: with STRIDE every place is read, in disorder.
        uint32_t place = STRIDE * request % REQUESTS;
        disk->headers[request].sector = place * (SPACING / SECTOR);
        chain[0] = (struct descriptor){ (uintptr_t)&disk->headers[request], 16, NEXT, 3 * request + 1 };
        chain[1] = (struct descriptor){ (uintptr_t)data + request * BYTES, BYTES, NEXT | WRITE, 3 * request + 2 };
        chain[2] = (struct descriptor){ (uintptr_t)&disk->statuses[request], 1, WRITE, 0 };
    }
    for (int place = 0; place < QUEUE_SIZE; place++)
        disk->available.ring[place] = 3 * (place % REQUESTS);
}

static void run_batch(void)
{
    for (int number = 0; number < DISKS; number++) {
        disks[number].available.index += REQUESTS;
        *device_register(number, QUEUE_NOTIFY) = 0;
    }
    for (int number = 0; number < DISKS; number++)
        while (disks[number].used.index != disks[number].available.index)
            ;
}

void start(void)
{
    for (int number = 0; number < DISKS; number++)
        set_up(number);
    run_batch();
    for (int number = 0; number < DISKS; number++)
        for (int request = 0; request < REQUESTS; request++)
            if (disks[number].statuses[request] != 0)
                fail();
    say('A');
    for (int batch = 0; batch < BATCHES; batch++)
        run_batch();
    say('B');
    for (;;)
        ;
}
