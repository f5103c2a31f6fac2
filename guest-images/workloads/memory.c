/* The memory's bandwidth and latency. */
#include <math.h>
#include <string.h>

#include "workload.h"

/*
 * STREAM's four kernels (J. McCalpin): copy, scale, add, triad over arrays of doubles, bytes counted as STREAM counts
 * them. All arrays together are larger than most caches of a processor's last level.
 */
struct stream {
	size_t length;
	double *a, *b, *c;
	/* Which kernels ran how often is of no interest: each leaves values that depend on its operands alone. */
};

static const double scalar = 3.0;

static void copy(void *context, uint64_t count)
{
	const struct stream *s = context;

	while (count--) {
		for (size_t i = 0; i < s->length; i++)
			s->c[i] = s->a[i];
		keep((uint64_t)(uintptr_t)s->c);
	}
}

static void scale(void *context, uint64_t count)
{
	const struct stream *s = context;

	while (count--) {
		for (size_t i = 0; i < s->length; i++)
			s->b[i] = scalar * s->c[i];
		keep((uint64_t)(uintptr_t)s->b);
	}
}

static void add(void *context, uint64_t count)
{
	const struct stream *s = context;

	while (count--) {
		for (size_t i = 0; i < s->length; i++)
			s->c[i] = s->a[i] + s->b[i];
		keep((uint64_t)(uintptr_t)s->c);
	}
}

static void triad(void *context, uint64_t count)
{
	const struct stream *s = context;

	while (count--) {
		for (size_t i = 0; i < s->length; i++)
			s->a[i] = s->b[i] + scalar * s->c[i];
		keep((uint64_t)(uintptr_t)s->a);
	}
}

static void check_array(const char *kernel, const double *array, size_t length, double first, double step)
{
	for (size_t i = 0; i < length; i++)
		if (array[i] != first + step * (double)(i % 64))
			fail("%s left a wrong value at %zu", kernel, i);
}

void run_stream(const struct options *options)
{
	const double seconds = options->seconds / 4;
	struct stream s = { .length = (options->is_quick ? 2 << 20 : 16 << 20) / sizeof(double) };
	const double bytes = (double)(s.length * sizeof(double));

	s.a = map_memory(s.length * sizeof(double));
	s.b = map_memory(s.length * sizeof(double));
	s.c = map_memory(s.length * sizeof(double));
	for (size_t i = 0; i < s.length; i++) {
		s.a[i] = 1 + (double)(i % 64);
		s.b[i] = s.c[i] = 0;
	}
	report("copy", 2 * bytes / seconds_each(seconds, copy, &s) / 1e6, "MB/s", HIGHER);
	check_array("copy", s.c, s.length, 1, 1);
	report("scale", 2 * bytes / seconds_each(seconds, scale, &s) / 1e6, "MB/s", HIGHER);
	check_array("scale", s.b, s.length, 3, 3);
	report("add", 3 * bytes / seconds_each(seconds, add, &s) / 1e6, "MB/s", HIGHER);
	check_array("add", s.c, s.length, 4, 4);
	report("triad", 3 * bytes / seconds_each(seconds, triad, &s) / 1e6, "MB/s", HIGHER);
	check_array("triad", s.a, s.length, 15, 15);
}

/* Loads each of which needs the one before: one cycle through all cache lines, in an order that no prefetcher guesses. */
struct chain {
	size_t lines;
	uint32_t (*next)[16];
	uint32_t place;
};

static void chase(void *context, uint64_t count)
{
	struct chain *chain = context;
	uint32_t place = chain->place;

	while (count--)
		place = chain->next[place][0];
	chain->place = place;
}

void run_random(const struct options *options)
{
	struct chain chain = { .lines = (options->is_quick ? 4 << 20 : 32 << 20) / sizeof(*chain.next) };
	uint64_t state = 88172645463325252;
	size_t steps = 0;

	chain.next = map_memory(chain.lines * sizeof(*chain.next));
	/* Sattolo's algorithm: a permutation that is one cycle. */
	for (size_t i = 0; i < chain.lines; i++)
		chain.next[i][0] = (uint32_t)i;
	for (size_t i = chain.lines - 1; i > 0; i--) {
		uint32_t other;
		size_t j;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		j = state % i;
		other = chain.next[i][0];
		chain.next[i][0] = chain.next[j][0];
		chain.next[j][0] = other;
	}
	report("load", seconds_each(options->seconds, chase, &chain) * 1e9, "ns", LOWER);
	chain.place = 0;
	do {
		chase(&chain, 1);
		steps++;
	} while (chain.place != 0 && steps <= chain.lines);
	if (steps != chain.lines)
		fail("the chain has %zu lines, not %zu", steps, chain.lines);
}
