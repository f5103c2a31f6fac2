/*
 * The workloads by which machines, containers and plain processes are compared: one static program, a file for each
 * kind of work. Loops are limited by time and look at the clock seldom: there are guests in which a system call takes a
 * millisecond.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct options {
	/* What the measuring of all of a workload's metrics may take; preparations come on top. */
	double seconds;
	/* A smaller amount of data and of what cannot be cut by time. */
	int is_quick;
	/* Where files are made. */
	const char *directory;
};

enum better { LOWER, HIGHER };

/* The work of a loop: does it `count` times. */
typedef void work(void *context, uint64_t count);

struct distribution {
	double median;
	double p99;
};

/* measure.c */
double now(void);
double seconds_each(double seconds, work *work, void *context);
struct distribution distribution_of(double seconds, work *work, void *context);
void report(const char *metric, double value, const char *unit, enum better better);
void print_reports(void);
/* Lets the compiler believe that the value is looked at. */
void keep(uint64_t value);

/* system.c */
extern const char *workload_name;
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void fail_errno(const char *what) __attribute__((noreturn));
void *map_memory(size_t size);
pid_t start(void (*body)(void *), void *context);
int end_of(pid_t child);
void end_child(pid_t child);
void write_all(int file, const void *data, size_t size);
void read_all(int file, void *data, size_t size);
void stay_on_one_processor(void);
/* An open file without a name, in the directory for files. */
int make_file(const struct options *options);
/* A fresh directory that goes, with what is in it, when the program ends. */
const char *make_directory(const struct options *options);

/* project.c: a C project in a directory. Returns its number of lines; `result` is what its program prints. */
long write_project(const char *directory, int modules, uint32_t *result);

/* tcp_server.c: serves requests until it is killed. */
struct tcp_request {
	uint64_t upload;   /* bytes that follow the request */
	uint64_t download; /* bytes of the answer, the first eight of which are the number of bytes that came */
};
int tcp_listen(const char *address, uint16_t port);
uint16_t tcp_port(int listener);
void tcp_serve(int listener) __attribute__((noreturn));

/* The workloads. */
void run_integer(const struct options *options);
void run_float(const struct options *options);
void run_stream(const struct options *options);
void run_random(const struct options *options);
void run_syscall(const struct options *options);
void run_signal(const struct options *options);
void run_page_fault(const struct options *options);
void run_process(const struct options *options);
void run_context_switch(const struct options *options);
void run_file_sequential(const struct options *options);
void run_file_random(const struct options *options);
void run_fsync(const struct options *options);
void run_tcp_throughput(const struct options *options);
void run_tcp_requests(const struct options *options);
void run_tcp_latency(const struct options *options);
void run_tcp_client(const struct options *options, const char *address, uint16_t port);
void run_compile(const struct options *options);
void run_sqlite(const struct options *options);
void run_redis(const struct options *options);
