/* The command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

static const struct {
	const char *name;
	const char *group;
	const char *description;
	void (*run)(const struct options *options);
} workloads[] = {
	{ "integer", "compute", "SHA-256 of 64 KiB, and a sieve of primes", run_integer },
	{ "float", "compute", "products of matrices, and Fourier transforms, in doubles", run_float },
	{ "stream", "memory", "bandwidth: STREAM's four kernels over 48 MiB", run_stream },
	{ "random", "memory", "latency: dependent loads in disorder from 32 MiB", run_random },
	{ "syscall", "kernel", "getppid, and a read of one byte from /dev/zero", run_syscall },
	{ "signal", "kernel", "a signal to itself, with a handler", run_signal },
	{ "page-fault", "kernel", "the first write to a page of 4 KiB, its mapping and unmapping included", run_page_fault },
	{ "process", "kernel", "fork, exit and wait, without and with exec of a static program", run_process },
	{ "context-switch", "kernel", "a byte through a pipe to another process on the same processor", run_context_switch },
	{ "file-sequential", "files", "a file of 16 MiB in blocks of 64 KiB: written and synchronized, read from the cache",
		run_file_sequential },
	{ "file-random", "files", "4 KiB in disorder in a file of 16 MiB in the cache", run_file_random },
	{ "fsync", "files", "a write of 4 KiB and fsync", run_fsync },
	{ "tcp-throughput", "network", "one stream over loopback, both ends in here", run_tcp_throughput },
	{ "tcp-requests", "network", "64 bytes each way over loopback: on 16 connections at once, and with a connection for each",
		run_tcp_requests },
	{ "tcp-latency", "network", "64 bytes each way over loopback, one after the other", run_tcp_latency },
	{ "compile", "application", "a C project of some thousand lines by make and gcc", run_compile },
	{ "sqlite", "application", "transactions and queries of SQLite, by its shell", run_sqlite },
	{ "redis", "application", "redis-server under redis-benchmark, 10 clients over loopback", run_redis },
};
static const size_t workload_count = sizeof(workloads) / sizeof(*workloads);

static const char usage[] =
	"usage: workload NAME [OPTION]...\n"
	"       workload list\n"
	"       workload tcp-server ADDRESS PORT\n"
	"       workload tcp-client ADDRESS PORT [OPTION]...\n"
	"\n"
	"Runs a workload once and prints a line for each of its metrics: the metric, its\n"
	"value, its unit, and whether \"higher\" or \"lower\" is better, parted by tabs. What\n"
	"was done is verified; a failure is a line on standard error, and exit status 1.\n"
	"\n"
	"`list` prints each workload's name, group and description. `tcp-client` measures\n"
	"what the tcp workloads do against a `tcp-server` elsewhere; port 0 of a server is\n"
	"any, and its address and port are printed.\n"
	"\n"
	"  --seconds N      how long it measures, 1 by default; preparations come on top\n"
	"  --quick          a tenth of the time, and less data: shows that it works\n"
	"  --directory DIR  where it makes files, /tmp by default; nothing of them is left\n";

static void fail_usage(void)
{
	fputs(usage, stderr);
	exit(2);
}

static uint16_t port_of(const char *word)
{
	char *end;
	long port = strtol(word, &end, 10);

	if (end == word || *end || port < 0 || port > 65535)
		fail_usage();
	return (uint16_t)port;
}

static struct options options_of(char **words)
{
	struct options options = { .directory = "/tmp" };

	for (; *words; words++) {
		if (!strcmp(*words, "--quick")) {
			options.is_quick = 1;
		} else if (!strcmp(*words, "--seconds") && words[1]) {
			char *end;

			options.seconds = strtod(*++words, &end);
			if (*end || !(options.seconds >= 0.001 && options.seconds <= 3600))
				fail_usage();
		} else if (!strcmp(*words, "--directory") && words[1]) {
			options.directory = *++words;
		} else {
			fail_usage();
		}
	}
	if (options.seconds == 0)
		options.seconds = options.is_quick ? 0.1 : 1;
	return options;
}

static void list(void)
{
	for (size_t i = 0; i < workload_count; i++)
		printf("%s\t%s\t%s\n", workloads[i].name, workloads[i].group, workloads[i].description);
}

int main(int count, char **words)
{
	struct options options;

	/* What the workload `process` executes. */
	if (count == 2 && !strcmp(words[1], "exit"))
		return 7;
	if (count == 2 && (!strcmp(words[1], "--help") || !strcmp(words[1], "-h"))) {
		fputs(usage, stdout);
		return 0;
	}
	if (count == 2 && !strcmp(words[1], "list")) {
		list();
		return 0;
	}
	if (count < 2)
		fail_usage();
	workload_name = words[1];
	if (count == 4 && !strcmp(words[1], "tcp-server")) {
		int listener = tcp_listen(words[2], port_of(words[3]));

		printf("%s %d\n", words[2], tcp_port(listener));
		fflush(stdout);
		tcp_serve(listener);
	}
	if (count >= 4 && !strcmp(words[1], "tcp-client")) {
		options = options_of(words + 4);
		run_tcp_client(&options, words[2], port_of(words[3]));
		print_reports();
		return 0;
	}
	for (size_t i = 0; i < workload_count; i++)
		if (!strcmp(words[1], workloads[i].name)) {
			options = options_of(words + 2);
			workloads[i].run(&options);
			print_reports();
			return 0;
		}
	fprintf(stderr, "workload: there is no workload %s; `workload list` has them all\n", words[1]);
	return 2;
}
