/* Programs that people run: a compiler, a database, a server. They are Debian's. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

struct program {
	const char *const *arguments;
	const char *directory;
	int input, output;
};

static void become(void *context)
{
	const struct program *program = context;

	/* What this process does about signals is not the program's business. */
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(program->input, 0) < 0 || dup2(program->output, 1) < 0 || chdir(program->directory))
		_exit(126);
	execvp(program->arguments[0], (char *const *)program->arguments);
	fprintf(stderr, "workload %s: %s: %s\n", workload_name, program->arguments[0], strerror(errno));
	_exit(127);
}

/* Runs a program to its end; returns its output as far as it fits. */
static void run(const char *const *arguments, const char *directory, char *output, size_t size)
{
	struct program program = { .arguments = arguments, .directory = directory };
	size_t filled = 0;
	int pipes[2], status;
	pid_t child;

	if (pipe2(pipes, O_CLOEXEC))
		fail_errno("pipe");
	program.input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (program.input < 0)
		fail_errno("/dev/null");
	program.output = pipes[1];
	child = start(become, &program);
	close(program.input);
	close(pipes[1]);
	while (1) {
		char rest[4096];
		int is_full = filled + 1 >= size;
		ssize_t done = is_full ? read(pipes[0], rest, sizeof(rest)) : read(pipes[0], output + filled, size - 1 - filled);

		if (done < 0)
			fail_errno(arguments[0]);
		if (done == 0)
			break;
		if (!is_full)
			filled += (size_t)done;
	}
	close(pipes[0]);
	output[filled] = 0;
	status = end_of(child);
	/* It has said itself that it is not there. */
	if (status == 127)
		exit(1);
	if (status != 0)
		fail("%s ended with %d", arguments[0], status);
}

/* ---- A compiler ------------------------------------------------------------------------------------------------ */

void run_compile(const struct options *options)
{
	static const char *const make[] = { "make", "-s", "CC=gcc", NULL };
	const char *directory = make_directory(options);
	char path[4200], output[256];
	const char *project[] = { path, NULL };
	double begin, elapsed;
	uint32_t expected;
	long lines = write_project(directory, options->is_quick ? 1 : 4, &expected);

	begin = now();
	run(make, directory, output, sizeof(output));
	elapsed = now() - begin;
	snprintf(path, sizeof(path), "%s/project", directory);
	run(project, directory, output, sizeof(output));
	if (strtoul(output, NULL, 16) != expected)
		fail("the compiled program says %.8s, not %08x", output, expected);
	report("lines", (double)lines / elapsed, "1/s", HIGHER);
}

/* ---- A database ------------------------------------------------------------------------------------------------ */

#define ACCOUNTS 1000

struct bank {
	FILE *statements;
	FILE *answers;
	uint64_t transfers;
	uint32_t state;
};

static uint32_t pick(struct bank *bank)
{
	bank->state = bank->state * 1664525 + 1013904223;
	return bank->state >> 8;
}

static long ask(struct bank *bank, const char *query)
{
	char line[64];

	fprintf(bank->statements, "%s\n", query);
	if (fflush(bank->statements) || !fgets(line, sizeof(line), bank->answers))
		fail("sqlite3 ended early");
	return strtol(line, NULL, 10);
}

/* Money goes from an account to another, and a line into a journal. */
static void transfer(void *context, uint64_t count)
{
	struct bank *bank = context;

	for (uint64_t i = 0; i < count; i++) {
		unsigned int from = pick(bank) % ACCOUNTS, to = pick(bank) % ACCOUNTS, sum = pick(bank) % 100;

		fprintf(bank->statements,
			"BEGIN; UPDATE account SET balance = balance - %u WHERE id = %u;"
			"UPDATE account SET balance = balance + %u WHERE id = %u;"
			"INSERT INTO journal VALUES (%u, %u, %u); COMMIT;\n", sum, from, sum, to, from, to, sum);
	}
	bank->transfers += count;
	if ((uint64_t)ask(bank, "SELECT count(*) FROM journal;") != bank->transfers)
		fail("transactions are missing");
}

/* The sum over a join of both tables, by keys that an index has. */
static void look(void *context, uint64_t count)
{
	struct bank *bank = context;

	for (uint64_t i = 0; i < count; i++)
		if (ask(bank, "SELECT count(*) FROM account AS a, account AS b WHERE b.id = a.id + 1 AND a.id < 500;") != 500)
			fail("a query's result is wrong");
}

void run_sqlite(const struct options *options)
{
	static const char *const sqlite[] = { "sqlite3", "-batch", "bank.db", NULL };
	struct program program = { .arguments = sqlite, .directory = make_directory(options) };
	int statements[2], answers[2], status;
	struct bank bank = { .state = 1 };
	double each;
	pid_t child;

	if (pipe2(statements, O_CLOEXEC) || pipe2(answers, O_CLOEXEC))
		fail_errno("pipe");
	program.input = statements[0];
	program.output = answers[1];
	/* A program that ends early is told of by the answer that does not come. */
	signal(SIGPIPE, SIG_IGN);
	child = start(become, &program);
	close(statements[0]);
	close(answers[1]);
	bank.statements = fdopen(statements[1], "w");
	bank.answers = fdopen(answers[0], "r");
	if (!bank.statements || !bank.answers)
		fail_errno("sqlite3");
	fprintf(bank.statements,
		"CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER);"
		"CREATE TABLE journal (origin INTEGER, target INTEGER, amount INTEGER);"
		"WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < %d)"
		"INSERT INTO account SELECT n, 0 FROM number;\n", ACCOUNTS - 1);
	if (ask(&bank, "SELECT count(*) FROM account;") != ACCOUNTS)
		fail("sqlite3 made no table");
	each = seconds_each(options->seconds / 2, transfer, &bank);
	if (ask(&bank, "SELECT sum(balance) FROM account;") != 0)
		fail("the balances do not add up");
	report("transactions", 1 / each, "1/s", HIGHER);
	report("queries", 1 / seconds_each(options->seconds / 2, look, &bank), "1/s", HIGHER);
	fclose(bank.statements);
	fclose(bank.answers);
	status = end_of(child);
	if (status != 0)
		fail("sqlite3 ended with %d", status);
}

/* ---- A server and its own benchmark ---------------------------------------------------------------------------- */

struct redis {
	char port[8];
	char requests[24];
	const char *directory;
	double set, get;
};

/* Rates are in lines such as "SET","123456.78",... */
static double rate_of(const char *table, const char *command)
{
	char start[16];
	const char *line;

	snprintf(start, sizeof(start), "\"%s\",\"", command);
	line = strstr(table, start);
	if (!line)
		fail("redis-benchmark tells nothing of %s", command);
	return strtod(line + strlen(start), NULL);
}

static void benchmark(void *context, uint64_t requests)
{
	struct redis *redis = context;
	const char *arguments[] = {
		"redis-benchmark", "-h", "127.0.0.1", "-p", redis->port, "-c", "10", "-n", redis->requests,
		"-t", "set,get", "--csv", NULL,
	};
	char output[4096];

	snprintf(redis->requests, sizeof(redis->requests), "%llu", (unsigned long long)requests);
	run(arguments, redis->directory, output, sizeof(output));
	redis->set = rate_of(output, "SET");
	redis->get = rate_of(output, "GET");
}

static void wait_for_server(uint16_t port, pid_t server)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timespec pause = { .tv_nsec = 20000000 };
	double end = now() + 120;
	int is_there = 0;

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while (!is_there) {
		int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connection < 0)
			fail_errno("socket");
		is_there = connect(connection, (struct sockaddr *)&name, sizeof(name)) == 0;
		close(connection);
		if (!is_there && (waitpid(server, NULL, WNOHANG) != 0 || now() > end || nanosleep(&pause, NULL)))
			fail("redis-server does not start");
	}
}

void run_redis(const struct options *options)
{
	struct redis redis = { .directory = make_directory(options) };
	const char *arguments[] = {
		"redis-server", "--bind", "127.0.0.1", "--port", redis.port, "--save", "", "--appendonly", "no",
		"--dir", redis.directory, "--logfile", "log", NULL,
	};
	struct program program = { .arguments = arguments, .directory = redis.directory };
	static const char *const version[] = { "redis-server", "--version", NULL };
	int listener = tcp_listen("127.0.0.1", 0);
	uint16_t port = tcp_port(listener);
	char output[256];
	uint64_t requests = 100;
	double elapsed, begin;
	pid_t server;

	run(version, redis.directory, output, sizeof(output));
	/* A port that was free just now. */
	snprintf(redis.port, sizeof(redis.port), "%d", port);
	close(listener);
	program.input = program.output = open("/dev/null", O_RDWR | O_CLOEXEC);
	server = start(become, &program);
	wait_for_server(port, server);
	/* Its own clock starts anew with each run: the last one, of the time asked for, counts. */
	while (1) {
		double factor;

		begin = now();
		benchmark(&redis, requests);
		elapsed = now() - begin;
		if (elapsed >= options->seconds / 2)
			break;
		factor = options->seconds / (elapsed > 0.02 ? elapsed : 0.02);
		requests *= (uint64_t)(factor > 16 ? 16 : factor < 2 ? 2 : factor);
	}
	report("set", redis.set, "1/s", HIGHER);
	report("get", redis.get, "1/s", HIGHER);
	end_child(server);
}
