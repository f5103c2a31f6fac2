/* What the kernel's services take: system calls, signals, page faults, processes, switches between them. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

static void call(void *context, uint64_t count)
{
	const long *expected = context;

	while (count--)
		if (syscall(SYS_getppid) != *expected)
			fail("getppid changes");
}

static void read_byte(void *context, uint64_t count)
{
	const int *file = context;
	char byte = 1;

	while (count--)
		if (read(*file, &byte, 1) != 1 || byte != 0)
			fail_errno("/dev/zero");
}

void run_syscall(const struct options *options)
{
	long parent = getppid();
	int file = open("/dev/zero", O_RDONLY);

	if (file < 0)
		fail_errno("/dev/zero");
	report("getppid", seconds_each(options->seconds / 2, call, &parent) * 1e9, "ns", LOWER);
	report("read", seconds_each(options->seconds / 2, read_byte, &file) * 1e9, "ns", LOWER);
}

static volatile uint64_t signals_seen;

static void see(int number)
{
	(void)number;
	signals_seen++;
}

static void signal_self(void *context, uint64_t count)
{
	uint64_t before = signals_seen;
	const pid_t *process = context;

	for (uint64_t i = 0; i < count; i++)
		kill(*process, SIGUSR1);
	if (signals_seen - before != count)
		fail("%llu signals of %llu came", (unsigned long long)(signals_seen - before), (unsigned long long)count);
}

void run_signal(const struct options *options)
{
	struct sigaction action = { .sa_handler = see };
	pid_t process = getpid();

	if (sigaction(SIGUSR1, &action, NULL))
		fail_errno("sigaction");
	report("signal", seconds_each(options->seconds, signal_self, &process) * 1e9, "ns", LOWER);
}

#define PAGES 64
#define PAGE_BYTES 4096

/* Pages of 4 KiB, whatever the system does with larger ones. */
static void fault(void *context, uint64_t count)
{
	(void)context;
	while (count--) {
		volatile char *memory = map_memory(PAGES * PAGE_BYTES);
		int sum = 0;

		madvise((void *)memory, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
		for (int i = 0; i < PAGES; i++)
			memory[i * PAGE_BYTES]++;
		for (int i = 0; i < PAGES; i++)
			sum += memory[i * PAGE_BYTES];
		if (sum != PAGES)
			fail("fresh memory is not zero");
		munmap((void *)memory, PAGES * PAGE_BYTES);
	}
}

void run_page_fault(const struct options *options)
{
	report("page", seconds_each(options->seconds, fault, NULL) / PAGES * 1e9, "ns", LOWER);
}

#define CHILD_STATUS 7

static void fork_and_exit(void *context, uint64_t count)
{
	(void)context;
	while (count--) {
		pid_t child = fork();

		if (child < 0)
			fail_errno("fork");
		if (child == 0)
			_exit(CHILD_STATUS);
		if (end_of(child) != CHILD_STATUS)
			fail("a child ended otherwise");
	}
}

static void fork_and_execute(void *context, uint64_t count)
{
	static char *arguments[] = { "workload", "exit", NULL };
	static char *environment[] = { NULL };
	const char *program = context;

	while (count--) {
		pid_t child = fork();

		if (child < 0)
			fail_errno("fork");
		if (child == 0) {
			execve(program, arguments, environment);
			_exit(127);
		}
		if (end_of(child) != CHILD_STATUS)
			fail("%s cannot be executed: is /proc mounted?", program);
	}
}

void run_process(const struct options *options)
{
	static char program[] = "/proc/self/exe";

	report("fork", seconds_each(options->seconds / 2, fork_and_exit, NULL) * 1e6, "µs", LOWER);
	report("exec", seconds_each(options->seconds / 2, fork_and_execute, program) * 1e6, "µs", LOWER);
}

struct ends {
	int to_child[2];
	int to_parent[2];
};

static void answer(void *context)
{
	const struct ends *ends = context;
	char byte;

	close(ends->to_child[1]);
	while (read(ends->to_child[0], &byte, 1) == 1) {
		byte++;
		write_all(ends->to_parent[1], &byte, 1);
	}
}

static void switch_twice(void *context, uint64_t count)
{
	const struct ends *ends = context;
	char byte = 0;

	while (count--) {
		char sent = byte;

		write_all(ends->to_child[1], &byte, 1);
		read_all(ends->to_parent[0], &byte, 1);
		if (byte != (char)(sent + 1))
			fail("a byte came back wrong");
	}
}

void run_context_switch(const struct options *options)
{
	struct ends ends;
	pid_t child;

	if (pipe(ends.to_child) || pipe(ends.to_parent))
		fail_errno("pipe");
	stay_on_one_processor();
	child = start(answer, &ends);
	report("switch", seconds_each(options->seconds, switch_twice, &ends) / 2 * 1e6, "µs", LOWER);
	end_child(child);
}
