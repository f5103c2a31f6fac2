/* Files, in the page cache where there is one, but for what says that it is made stable. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

#define BLOCK_BYTES 65536
#define PIECE_BYTES 4096

struct file {
	int descriptor;
	uint64_t size;
	uint64_t state;
	uint64_t next;
	/* 64-bit words of a piece; the first tells its place in the file. */
	uint64_t *buffer;
};

static void write_at(const struct file *file, size_t size, uint64_t offset)
{
	ssize_t done = pwrite(file->descriptor, file->buffer, size, (off_t)offset);

	if (done < 0)
		fail_errno("pwrite");
	if ((size_t)done != size)
		fail("pwrite: no room for %llu bytes", (unsigned long long)file->size);
}

static void read_at(const struct file *file, size_t size, uint64_t offset)
{
	ssize_t done = pread(file->descriptor, file->buffer, size, (off_t)offset);

	if (done < 0)
		fail_errno("pread");
	if ((size_t)done != size)
		fail("pread: the file ends early");
}

static void stamp(const struct file *file, size_t size, uint64_t offset)
{
	for (size_t i = 0; i < size; i += PIECE_BYTES)
		file->buffer[i / sizeof(uint64_t)] = offset + i;
}

static void check_stamp(const struct file *file, size_t size, uint64_t offset)
{
	for (size_t i = 0; i < size; i += PIECE_BYTES)
		if (file->buffer[i / sizeof(uint64_t)] != offset + i)
			fail("wrong data at %llu", (unsigned long long)(offset + i));
}

/* The whole file once, from the first block to the last, and on stable storage. */
static void write_file(void *context, uint64_t count)
{
	const struct file *file = context;

	while (count--) {
		for (uint64_t offset = 0; offset < file->size; offset += BLOCK_BYTES) {
			stamp(file, BLOCK_BYTES, offset);
			write_at(file, BLOCK_BYTES, offset);
		}
		if (fdatasync(file->descriptor))
			fail_errno("fdatasync");
	}
}

static void read_file(void *context, uint64_t count)
{
	const struct file *file = context;

	while (count--)
		for (uint64_t offset = 0; offset < file->size; offset += BLOCK_BYTES) {
			read_at(file, BLOCK_BYTES, offset);
			check_stamp(file, BLOCK_BYTES, offset);
		}
}

static uint64_t random_place(struct file *file)
{
	file->state ^= file->state << 13;
	file->state ^= file->state >> 7;
	file->state ^= file->state << 17;
	return file->state % (file->size / PIECE_BYTES) * PIECE_BYTES;
}

static void read_pieces(void *context, uint64_t count)
{
	struct file *file = context;

	while (count--) {
		uint64_t place = random_place(file);

		read_at(file, PIECE_BYTES, place);
		check_stamp(file, PIECE_BYTES, place);
	}
}

static void write_pieces(void *context, uint64_t count)
{
	struct file *file = context;

	while (count--) {
		uint64_t place = random_place(file);

		stamp(file, PIECE_BYTES, place);
		write_at(file, PIECE_BYTES, place);
	}
}

static void write_piece_and_sync(void *context, uint64_t count)
{
	struct file *file = context;

	while (count--) {
		stamp(file, PIECE_BYTES, file->next);
		write_at(file, PIECE_BYTES, file->next);
		if (fsync(file->descriptor))
			fail_errno("fsync");
		file->next = (file->next + PIECE_BYTES) % file->size;
	}
}

static void open_file(struct file *file, const struct options *options)
{
	*file = (struct file){ .size = options->is_quick ? 2 << 20 : 16 << 20, .state = 88172645463325252 };
	file->descriptor = make_file(options);
	file->buffer = aligned_alloc(PIECE_BYTES, BLOCK_BYTES);
	if (!file->buffer)
		fail_errno("memory");
	for (size_t i = 0; i < BLOCK_BYTES / sizeof(uint64_t); i++)
		file->buffer[i] = i * 0x9e3779b97f4a7c15;
}

void run_file_sequential(const struct options *options)
{
	struct file file;

	open_file(&file, options);
	report("write", (double)file.size / seconds_each(options->seconds / 2, write_file, &file) / 1e6, "MB/s", HIGHER);
	report("read", (double)file.size / seconds_each(options->seconds / 2, read_file, &file) / 1e6, "MB/s", HIGHER);
}

void run_file_random(const struct options *options)
{
	struct file file;

	open_file(&file, options);
	write_file(&file, 1);
	report("read", 1 / seconds_each(options->seconds / 2, read_pieces, &file), "1/s", HIGHER);
	report("write", 1 / seconds_each(options->seconds / 2, write_pieces, &file), "1/s", HIGHER);
	read_file(&file, 1);
}

void run_fsync(const struct options *options)
{
	struct distribution times;
	struct file file;

	open_file(&file, options);
	file.size = 1 << 20;
	write_file(&file, 1);
	times = distribution_of(options->seconds, write_piece_and_sync, &file);
	report("median", times.median * 1e6, "µs", LOWER);
	report("p99", times.p99 * 1e6, "µs", LOWER);
	read_file(&file, 1);
}
