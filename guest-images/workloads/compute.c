/* Integers and floating-point numbers. */
#include <math.h>
#include <string.h>

#include "workload.h"

/* ---- SHA-256 (FIPS 180-4) of 64 KiB --------------------------------------------------------------------------- */

#define MESSAGE_BYTES 65536

static const uint32_t round_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The digest of 64 KiB in which byte i is i mod 251, as sha256sum has it. */
static const uint32_t expected_digest[8] = {
	0x4b640d85, 0xab3ba30f, 0xd02c9fc9, 0xdb4a8928, 0xf416322a, 0xd27022ea, 0x58a65aae, 0xe68a4df2,
};

static uint32_t rotate(uint32_t value, int count)
{
	return value >> count | value << (32 - count);
}

static void add_block(uint32_t state[8], const unsigned char *block)
{
	uint32_t w[64];
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
			(uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
			(rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
	for (int i = 0; i < 64; i++) {
		uint32_t first = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) +
			round_constants[i] + w[i];
		uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

		h = g;
		g = f;
		f = e;
		e = d + first;
		d = c;
		c = b;
		b = a;
		a = first + second;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

static void hash(void *context, uint64_t count)
{
	static const uint32_t initial[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	/* The message's length is a multiple of a block's: the last block is padding alone. */
	static const unsigned char padding[64] = { [0] = 0x80, [61] = MESSAGE_BYTES >> 13, [62] = 0, [63] = 0 };
	const unsigned char *message = context;

	while (count--) {
		uint32_t state[8];

		memcpy(state, initial, sizeof(state));
		for (int i = 0; i < MESSAGE_BYTES; i += 64)
			add_block(state, message + i);
		add_block(state, padding);
		if (memcmp(state, expected_digest, sizeof(state)))
			fail("SHA-256 is wrong");
	}
}

/* ---- The sieve of Eratosthenes, in the processor's first cache ------------------------------------------------- */

#define NUMBERS (1 << 15)
#define PRIMES 3512

static void sieve(void *context, uint64_t count)
{
	static unsigned char composite[NUMBERS];

	(void)context;
	while (count--) {
		int primes = 0;

		memset(composite, 0, sizeof(composite));
		for (int number = 2; number < NUMBERS; number++) {
			if (composite[number])
				continue;
			primes++;
			for (int multiple = 2 * number; multiple < NUMBERS; multiple += number)
				composite[multiple] = 1;
		}
		if (primes != PRIMES)
			fail("%d primes below %d, not %d", primes, NUMBERS, PRIMES);
	}
}

void run_integer(const struct options *options)
{
	static unsigned char message[MESSAGE_BYTES];

	for (int i = 0; i < MESSAGE_BYTES; i++)
		message[i] = (unsigned char)(i % 251);
	report("sha256", MESSAGE_BYTES / seconds_each(options->seconds / 2, hash, message) / 1e6, "MB/s", HIGHER);
	report("sieve", NUMBERS / seconds_each(options->seconds / 2, sieve, NULL) / 1e6, "M/s", HIGHER);
}

/* ---- Matrices: exact in doubles, so the product is known -------------------------------------------------------- */

#define ORDER 96

static double left[ORDER][ORDER], right[ORDER][ORDER], product[ORDER][ORDER];

static void multiply(void *context, uint64_t count)
{
	(void)context;
	while (count--) {
		memset(product, 0, sizeof(product));
		for (int i = 0; i < ORDER; i++)
			for (int k = 0; k < ORDER; k++)
				for (int j = 0; j < ORDER; j++)
					product[i][j] += left[i][k] * right[k][j];
		keep((uint64_t)product[ORDER - 1][ORDER - 1]);
	}
}

static void check_product(void)
{
	for (int i = 0; i < ORDER; i++)
		for (int j = 0; j < ORDER; j++) {
			int64_t sum = 0;

			for (int k = 0; k < ORDER; k++)
				sum += (int64_t)(i + 2 * k) * (3 * k - j);
			if (product[i][j] != (double)sum)
				fail("the product of matrices is wrong at %d, %d", i, j);
		}
}

/* ---- Fourier transform: forth and back ------------------------------------------------------------------------- */

#define POINTS 4096

static double roots[POINTS][2], signal_points[POINTS][2];

/* In place, by decimation in time; `direction` is 1 or -1. */
static void transform(double (*points)[2], double direction)
{
	for (int i = 1, j = 0; i < POINTS; i++) {
		int bit = POINTS >> 1;

		for (; j & bit; bit >>= 1)
			j ^= bit;
		j ^= bit;
		if (i < j)
			for (int part = 0; part < 2; part++) {
				double other = points[i][part];

				points[i][part] = points[j][part];
				points[j][part] = other;
			}
	}
	for (int half = 1; half < POINTS; half *= 2)
		for (int i = 0; i < POINTS; i += 2 * half)
			for (int k = 0; k < half; k++) {
				double *a = points[i + k], *b = points[i + k + half];
				const double *root = roots[k * (POINTS / 2 / half)];
				double real = root[0] * b[0] - direction * root[1] * b[1];
				double imaginary = root[0] * b[1] + direction * root[1] * b[0];

				b[0] = a[0] - real;
				b[1] = a[1] - imaginary;
				a[0] += real;
				a[1] += imaginary;
			}
}

static void transform_twice(void *context, uint64_t count)
{
	(void)context;
	while (count--) {
		transform(signal_points, 1);
		transform(signal_points, -1);
		for (int i = 0; i < POINTS; i++)
			for (int part = 0; part < 2; part++)
				signal_points[i][part] /= POINTS;
	}
}

/* After any number of transforms forth and back the signal is the one that it was. */
static void check_signal(void)
{
	for (int i = 0; i < POINTS; i++)
		if (fabs(signal_points[i][0] - i % 17) > 1e-6 || fabs(signal_points[i][1] + i % 5) > 1e-6)
			fail("the transformed signal is wrong at %d", i);
}

void run_float(const struct options *options)
{
	const double turn = 6.283185307179586;
	double each;

	for (int i = 0; i < ORDER; i++)
		for (int j = 0; j < ORDER; j++) {
			left[i][j] = i + 2 * j;
			right[i][j] = 3 * i - j;
		}
	for (int i = 0; i < POINTS; i++) {
		roots[i][0] = cos(turn * i / POINTS);
		roots[i][1] = sin(turn * i / POINTS);
		signal_points[i][0] = i % 17;
		signal_points[i][1] = -(i % 5);
	}
	each = seconds_each(options->seconds / 2, multiply, NULL);
	check_product();
	report("matrix", 2.0 * ORDER * ORDER * ORDER / each / 1e6, "MFLOP/s", HIGHER);
	each = seconds_each(options->seconds / 2, transform_twice, NULL);
	check_signal();
	report("fft", 2 / each, "1/s", HIGHER);
}
