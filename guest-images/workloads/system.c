/* What the workloads want of the system, and what becomes of failures. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

const char *workload_name = "workload";

static char directory[4096];
static pid_t owner;

void fail(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "workload %s: ", workload_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

void fail_errno(const char *what)
{
	fail("%s: %s", what, strerror(errno));
}

void *map_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("%zu MiB of memory: %s", size >> 20, strerror(errno));
	return memory;
}

/* A child that runs `body` and ends with this process. */
pid_t start(void (*body)(void *), void *context)
{
	pid_t parent = getpid(), child = fork();

	if (child < 0)
		fail_errno("fork");
	if (child > 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	body(context);
	_exit(0);
}

/* Waits for a child; returns its exit status, or 128 and its signal. */
int end_of(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		fail_errno("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void end_child(pid_t child)
{
	kill(child, SIGKILL);
	end_of(child);
}

void write_all(int file, const void *data, size_t size)
{
	const char *next = data;

	while (size > 0) {
		ssize_t done = write(file, next, size);

		if (done < 0)
			fail_errno("write");
		next += done;
		size -= (size_t)done;
	}
}

void read_all(int file, void *data, size_t size)
{
	char *next = data;

	while (size > 0) {
		ssize_t done = read(file, next, size);

		if (done < 0)
			fail_errno("read");
		if (done == 0)
			fail("read: the other end is gone");
		next += done;
		size -= (size_t)done;
	}
}

void stay_on_one_processor(void)
{
	cpu_set_t set;
	int processor = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(processor < 0 ? 0 : processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail_errno("sched_setaffinity");
}

static void make_name(const struct options *options, char *name, size_t size)
{
	if (snprintf(name, size, "%s/workload.XXXXXX", options->directory) >= (int)size)
		fail("the directory's path is too long");
}

int make_file(const struct options *options)
{
	char name[sizeof(directory)];
	int file;

	make_name(options, name, sizeof(name));
	file = mkstemp(name);
	if (file < 0 || unlink(name))
		fail("a file in %s: %s", options->directory, strerror(errno));
	return file;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

static void remove_directory(void)
{
	if (getpid() == owner)
		nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Calls that wait return, so that the program fails and takes its directory along. */
static void interrupt(int signal)
{
	(void)signal;
}

const char *make_directory(const struct options *options)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = interrupt };

	make_name(options, directory, sizeof(directory));
	if (!mkdtemp(directory))
		fail("a directory in %s: %s", options->directory, strerror(errno));
	owner = getpid();
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
	if (atexit(remove_directory))
		fail("atexit");
	return directory;
}
