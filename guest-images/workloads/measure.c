/* Time and figures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "workload.h"

#define REPORTS 16
/* The least number of samples of which a median and a percentile are taken, and the most. */
#define FEWEST_SAMPLES 20
#define MOST_SAMPLES 65536

static struct {
	const char *metric;
	double value;
	const char *unit;
	enum better better;
} reports[REPORTS];
static int report_count;

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double time_of(work *work, void *context, uint64_t count)
{
	double begin = now();

	work(context, count);
	return now() - begin;
}

/* The time of one piece of work, as the mean over `seconds` of it. */
double seconds_each(double seconds, work *work, void *context)
{
	uint64_t count = 1, done = 0;
	double begin, elapsed;

	/* Batches of about an eighth of the time. Those before have warmed up what there is to warm up. */
	while ((elapsed = time_of(work, context, count)) < seconds / 16)
		count *= elapsed < seconds / 256 ? 8 : 2;
	begin = now();
	do {
		work(context, count);
		done += count;
		elapsed = now() - begin;
	} while (elapsed < seconds);
	return elapsed / (double)done;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* How the times of single pieces of work are distributed: for work that takes much longer than a look at the clock. */
struct distribution distribution_of(double seconds, work *work, void *context)
{
	static double samples[MOST_SAMPLES];
	struct distribution result;
	double begin, last;
	int count = 0;

	work(context, 1);
	begin = last = now();
	while (count < MOST_SAMPLES && (count < FEWEST_SAMPLES || last - begin < seconds)) {
		double end;

		work(context, 1);
		end = now();
		samples[count++] = end - last;
		last = end;
	}
	qsort(samples, (size_t)count, sizeof(*samples), compare);
	result.median = samples[count / 2];
	result.p99 = samples[count * 99 / 100];
	return result;
}

void report(const char *metric, double value, const char *unit, enum better better)
{
	if (!isfinite(value) || value <= 0)
		fail("%s is %g: the clock does not advance, or nothing was done", metric, value);
	if (report_count == REPORTS)
		fail("more metrics than there is room for");
	reports[report_count].metric = metric;
	reports[report_count].value = value;
	reports[report_count].unit = unit;
	reports[report_count++].better = better;
}

/* At the end, so that nothing is printed of a workload that fails. */
void print_reports(void)
{
	for (int i = 0; i < report_count; i++)
		printf("%s\t%.6g\t%s\t%s\n", reports[i].metric, reports[i].value, reports[i].unit,
			reports[i].better == HIGHER ? "higher" : "lower");
	if (fflush(stdout))
		fail_errno("standard output");
}

void keep(uint64_t value)
{
	__asm__ volatile("" : : "r"(value) : "memory");
}
