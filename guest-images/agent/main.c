/*
 * PID 1 of Caisson's guests, and their agent: runs commands for the host, each over a connection of its own (docs/agent.md).
 *
 * An initial file system with a shell is the default guest: a login shell gets the console, and the machine ends with it.
 * One without is there to become another root file system, which the host names.
 *
 * One small process in a poll() loop, because each fork, exec, page fault and system call is kernel code that some hosts
 * must emulate. It is linked against the kernel's nolibc, which fits it in a few pages.
 *
 * `agent --test FD` serves one connection as an ordinary process, and `agent --pack PATH` is a command that sends files.
 */
#include "session.h"

/* busybox signals PID 1 with these; the last one is the kernel's power button
 * (CONFIG_ACPI_TINY_POWER_BUTTON_SIGNAL). */
#define SIGNAL_HALT SIGUSR1
#define SIGNAL_POWER_OFF SIGUSR2
#define SIGNAL_REBOOT SIGTERM
#define SIGNAL_POWER_BUTTON 38

/* How long after the shell's start the links for busybox's applets are made, and an address is asked for. */
#define REST_AFTER_SECONDS 1

/* How long processes may take to end between SIGTERM and SIGKILL. */
#define GRACE_SECONDS 2

#define EVENTS_PER_SESSION 4

enum { NOTHING = -1 };

char **environ;

static int listener = -1, signals = -1;
static int is_first_process;

static unsigned long handled_signals(void)
{
	return signal_bit(SIGCHLD) | signal_bit(SIGNAL_HALT) | signal_bit(SIGNAL_POWER_OFF) |
	       signal_bit(SIGNAL_REBOOT) | signal_bit(SIGNAL_POWER_BUTTON) | signal_bit(SIGALRM);
}

/* A command's broken pipe is an error to us, not a signal; it stays pending. */
static void block_signals(void)
{
	unsigned long mask = handled_signals() | signal_bit(SIGPIPE);

	if (!is_first_process)
		mask = signal_bit(SIGCHLD) | signal_bit(SIGPIPE);
	system4(rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	if (is_first_process)
		mask = handled_signals();
	signals = system4(signalfd4, -1, &mask, sizeof(mask), SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* Connections */

static int open_socket(void)
{
	return system3(socket, AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* The host may have a listener that waits for the guest to be up. */
static void connect_to_host(void)
{
	struct address_vsock address = { .family = AF_VSOCK, .port = PROTOCOL_PORT, .cid = HOST_CID };
	int fd = open_socket();

	if (fd < 0)
		return;
	if (system3(connect, fd, &address, sizeof(address)) < 0)
		close(fd);
	else
		open_session(fd);
}

static void listen_for_host(void)
{
	struct address_vsock address = { .family = AF_VSOCK, .port = PROTOCOL_PORT, .cid = ANY_CID };
	int fd = open_socket();

	if (fd < 0)
		return;
	if (system3(bind, fd, &address, sizeof(address)) < 0 || system2(listen, fd, SESSION_LIMIT) < 0)
		close(fd);
	else
		listener = fd;
}

/* Programs in the guest cannot connect with it: only the host's cid counts. */
static void accept_connection(void)
{
	struct address_vsock peer = { 0 };
	int size = sizeof(peer);
	int fd = system4(accept4, listener, &peer, &size, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (peer.cid == HOST_CID)
		open_session(fd);
	else
		close(fd);
}

static int has_sessions(void)
{
	for (int i = 0; i < session_count; i++)
		if (sessions[i].connection >= 0)
			return 1;
	return 0;
}

/* Processes */

/* True where the console's shell is among those that ended. */
static int reap(void)
{
	int has_shell_ended = 0;
	struct rusage usage;
	int status;
	long process;

	while ((process = system4(wait4, -1, &status, WNOHANG, &usage)) > 0) {
		has_shell_ended |= process == shell;
		note_end(process, status, &usage);
	}
	return has_shell_ended;
}

/* What the machine is to do next, or NOTHING. */
static int handle_signals(void)
{
	/* Each kind waits once at most. */
	struct signal_information pending[8];
	long size = system3(read, signals, pending, sizeof(pending));

	for (int i = 0; i < size / (long)sizeof(*pending); i++) {
		switch (pending[i].number) {
		case SIGNAL_HALT:
			return LINUX_REBOOT_CMD_HALT;
		case SIGNAL_REBOOT:
			return LINUX_REBOOT_CMD_RESTART;
		case SIGNAL_POWER_OFF:
		case SIGNAL_POWER_BUTTON:
			return LINUX_REBOOT_CMD_POWER_OFF;
		case SIGALRM:
			do_the_rest();
			break;
		case SIGCHLD:
			if (reap())
				return LINUX_REBOOT_CMD_POWER_OFF;
		}
	}
	return NOTHING;
}

/* Serves until the machine is to end, and returns the reboot command for that; in a test, until the connection ends. */
static int serve(void)
{
	struct pollfd events[2 + EVENTS_PER_SESSION * SESSION_LIMIT];

	for (;;) {
		int command, count = session_count;

		events[0].fd = signals;
		events[1].fd = awaits_setup ? -1 : listener;
		events[0].events = events[1].events = POLLIN;
		for (int i = 0; i < count; i++)
			collect_events(sessions + i, events + 2 + EVENTS_PER_SESSION * i);
		poll(events, 2 + EVENTS_PER_SESSION * count, -1);
		if (events[0].revents) {
			command = handle_signals();
			if (command != NOTHING)
				return command;
		}
		for (int i = 0; i < count; i++)
			handle_events(sessions + i, events + 2 + EVENTS_PER_SESSION * i);
		if (events[1].revents)
			accept_connection();
		if (!is_first_process && !has_sessions())
			return NOTHING;
	}
}

/* Every process is a child of PID 1 once its parents are gone, so none is left
 * when wait4() has nobody to wait for. */
static void end_all_processes(void)
{
	unsigned long mask = handled_signals();
	struct timespec limit = { .tv_sec = GRACE_SECONDS };

	kill(-1, SIGTERM);
	kill(-1, SIGHUP);
	kill(-1, SIGCONT);
	do {
		long ended;

		while ((ended = system4(wait4, -1, NULL, WNOHANG, NULL)) > 0)
			;
		if (ended < 0)
			return;
	} while (system4(rt_sigtimedwait, &mask, NULL, &limit, sizeof(mask)) > 0);
	kill(-1, SIGKILL);
}

static int serve_test(const char *number)
{
	block_signals();
	open_session(atoi(number));
	serve();
	return 0;
}

int main(int argc, char **argv, char **environment)
{
	int command, has_shell;

	environ = environment;
	initialize_sessions();
	if (argc == 3 && strcmp(argv[1], "--test") == 0)
		return serve_test(argv[2]);
	if (argc == 3 && strcmp(argv[1], "--pack") == 0)
		return pack_path(argv[2]);
	is_first_process = 1;
	block_signals();
	has_shell = system2(access, "/bin/sh", ACCESS_EXECUTE) == 0;
	if (has_shell) {
		start_shell();
		system1(alarm, REST_AFTER_SECONDS);
	}
	awaits_setup = !has_shell;
	/* In this order: a host that was connected with may connect. */
	listen_for_host();
	connect_to_host();
	if (awaits_setup && !has_sessions()) {
		/* Nobody could ever tell what to do. */
		complain("connecting with the host");
		command = LINUX_REBOOT_CMD_POWER_OFF;
	} else {
		command = serve();
	}
	end_all_processes();
	my_syscall0(__NR_sync);
	reboot(command);
	return 1;
}
