/*
 * PID 1 of Caisson's default guest: mounts what programs expect, gives a login
 * shell the console as its controlling terminal, reaps orphans, and ends the
 * machine when the shell ends or `poweroff`, `reboot`, `halt` or the power
 * button ask for it.
 *
 * One small process instead of a shell script, because each fork, exec and page
 * fault of a boot is kernel code that some hosts must emulate. It is linked
 * against the kernel's nolibc, which fits it in a few pages.
 */
#include <asm/termios.h>
#include <linux/sched.h>
#include <linux/sockios.h>

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

/* struct ifreq as SIOCSIFFLAGS reads it; <linux/if.h> needs a C library. */
struct interface_flags {
	char name[16];
	short flags;
	char unused[22];
};
#define INTERFACE_UP 1
#define ADDRESS_FAMILY_INET 2
#define SOCKET_DATAGRAM 2

char **environ;

static const char motd[] =
	"\n"
	"Caisson: Linux in a machine of its own. `poweroff` or leaving this shell ends it.\n"
	"\n";

static unsigned long bit(int signal)
{
	return 1UL << (signal - 1);
}

static unsigned long handled_signals(void)
{
	return bit(SIGCHLD) | bit(SIGNAL_HALT) | bit(SIGNAL_POWER_OFF) |
	       bit(SIGNAL_REBOOT) | bit(SIGNAL_POWER_BUTTON);
}

static void set_blocked_signals(unsigned long mask)
{
	my_syscall4(__NR_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

/* The next handled signal, or a negative error after `seconds`; -1 waits for ever. */
static int wait_for_signal(int seconds)
{
	unsigned long mask = handled_signals();
	struct timespec limit = { .tv_sec = seconds };

	return my_syscall4(__NR_rt_sigtimedwait, &mask, NULL,
			   seconds < 0 ? NULL : &limit, sizeof(mask));
}

static void complain(const char *what)
{
	write(2, "init: ", 6);
	write(2, what, strlen(what));
	write(2, " failed\n", 8);
}

static void mount_or_complain(const char *type, const char *target,
			      unsigned long flags, const char *options)
{
	if (mount(type, target, type, flags, options) != 0)
		complain(target);
}

static void mount_file_systems(void)
{
	const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	mount_or_complain("devtmpfs", "/dev", MS_NOSUID, "mode=755");
	mount_or_complain("proc", "/proc", quiet, NULL);
	mount_or_complain("sysfs", "/sys", quiet, NULL);
	mount_or_complain("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	mount_or_complain("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	mkdir("/dev/pts", 0755);
	mount_or_complain("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666");
	mkdir("/dev/shm", 01777);
	mount_or_complain("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_or_complain("cgroup2", "/sys/fs/cgroup", quiet, "nsdelegate");
}

static void bring_loopback_up(void)
{
	struct interface_flags request = { .name = "lo", .flags = INTERFACE_UP };
	int fd = my_syscall3(__NR_socket, ADDRESS_FAMILY_INET, SOCKET_DATAGRAM, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0)
		complain("bringing lo up");
	close(fd);
}

/* The terminal behind /dev/console: only a real one can control a session. */
static int open_terminal(void)
{
	char path[64] = "/dev/";
	char names[48];
	int fd = open("/sys/class/tty/console/active", O_RDONLY);
	ssize_t length = fd < 0 ? -1 : read(fd, names, sizeof(names) - 1);
	char *name;

	close(fd);
	if (length > 0) {
		names[length - 1] = '\0';
		/* "ttyS0 hvc0": the last one is /dev/console. */
		name = strrchr(names, ' ');
		strcpy(path + 5, name ? name + 1 : names);
		fd = open(path, O_RDWR);
		if (fd >= 0)
			return fd;
	}
	return open("/dev/console", O_RDWR);
}

/* LINES= and COLUMNS= on the kernel's command line arrive in the environment. */
static void set_window_size(int terminal)
{
	const char *lines = getenv("LINES");
	const char *columns = getenv("COLUMNS");
	struct winsize size = { 0 };

	if (lines && columns) {
		size.ws_row = atoi(lines);
		size.ws_col = atoi(columns);
		ioctl(terminal, TIOCSWINSZ, &size);
	}
}

static void become_shell(void)
{
	char *arguments[] = { "-sh", NULL };
	char term[64] = "TERM=linux";
	const char *given = getenv("TERM");
	char *environment[] = {
		"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		term, NULL,
	};
	int terminal;

	if (given && strlen(given) < sizeof(term) - 5)
		strcpy(term + 5, given);
	setsid();
	terminal = open_terminal();
	ioctl(terminal, TIOCSCTTY, NULL);
	set_window_size(terminal);
	dup2(terminal, 0);
	dup2(terminal, 1);
	dup2(terminal, 2);
	if (terminal > 2)
		close(terminal);
	write(1, motd, sizeof(motd) - 1);
	chdir("/root");
	set_blocked_signals(0);
	execve("/bin/sh", arguments, environment);
	complain("/bin/sh");
	exit(127);
}

/* Runs busybox without a word. */
static void run_aside(char **arguments, int policy)
{
	char *environment[] = { NULL };
	int priority = 0;
	int null;

	if (fork() != 0)
		return;
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	my_syscall3(__NR_sched_setscheduler, 0, policy, &priority);
	set_blocked_signals(0);
	execve("/bin/busybox", arguments, environment);
	exit(127);
}

/* What nobody waits for, done once the shell has had the time for its prompt: links for busybox's applets, which its own
 * shell finds without them, at idle priority; and the network's address by DHCP, which stays to renew it and is not idle: a
 * shell that waits for the network would keep it from getting there. */
static void do_the_rest(void)
{
	char *links[] = { "busybox", "--install", "-s", NULL };
	char *lease[] = { "busybox", "udhcpc", "-f", "-i", "eth0", "-s", "/etc/udhcpc", NULL };

	run_aside(links, SCHED_IDLE);
	if (my_syscall2(__NR_access, "/sys/class/net/eth0", 0) == 0)
		run_aside(lease, SCHED_NORMAL);
}

/* Serves until the machine is to end; returns the reboot command for that. */
static int serve(pid_t shell)
{
	int patience = REST_AFTER_SECONDS;

	for (;;) {
		pid_t ended;

		switch (wait_for_signal(patience)) {
		case -EAGAIN:
			do_the_rest();
			patience = -1;
			break;
		case SIGNAL_HALT:
			return LINUX_REBOOT_CMD_HALT;
		case SIGNAL_REBOOT:
			return LINUX_REBOOT_CMD_RESTART;
		case SIGNAL_POWER_OFF:
		case SIGNAL_POWER_BUTTON:
			return LINUX_REBOOT_CMD_POWER_OFF;
		case SIGCHLD:
			while ((ended = waitpid(-1, NULL, WNOHANG)) > 0)
				if (ended == shell)
					return LINUX_REBOOT_CMD_POWER_OFF;
		}
	}
}

/* Every process is a child of PID 1 once its parents are gone, so none is left
 * when waitpid() has nobody to wait for. */
static void end_all_processes(void)
{
	kill(-1, SIGTERM);
	kill(-1, SIGHUP);
	kill(-1, SIGCONT);
	do {
		pid_t ended;

		while ((ended = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (ended < 0)
			return;
	} while (wait_for_signal(GRACE_SECONDS) > 0);
	kill(-1, SIGKILL);
}

int main(int argc, char **argv, char **environment)
{
	pid_t shell;
	int command;

	(void)argc;
	(void)argv;
	environ = environment;
	set_blocked_signals(handled_signals());
	mount_file_systems();
	bring_loopback_up();
	shell = fork();
	if (shell == 0)
		become_shell();
	command = serve(shell);
	end_all_processes();
	my_syscall0(__NR_sync);
	reboot(command);
	return 1;
}
