/*
 * The default guest's console: mounts what programs expect, and gives a login
 * shell the console as its controlling terminal.
 */
#include "session.h"

static const char motd[] =
	"\n"
	"Caisson: Linux in a machine of its own. `poweroff` or leaving this shell ends it.\n"
	"\n";

pid_t shell;

static void unblock_signals(void)
{
	unsigned long none = 0;

	system4(rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

static void mount_file_systems(void)
{
	const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	mount_at("devtmpfs", "/dev", MS_NOSUID, "mode=755");
	mount_at("proc", "/proc", quiet, NULL);
	mount_at("sysfs", "/sys", quiet, NULL);
	mount_at("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	mount_at("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	mkdir("/dev/pts", 0755);
	mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666");
	mkdir("/dev/shm", 01777);
	mount_at("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at("cgroup2", "/sys/fs/cgroup", quiet, "nsdelegate");
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
	unblock_signals();
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
	unblock_signals();
	execve("/bin/busybox", arguments, environment);
	exit(127);
}

/* What nobody waits for, done once the shell has had the time for its prompt: links for busybox's applets, which its own
 * shell finds without them, at idle priority; and the network's address by DHCP, which stays to renew it and is not idle: a
 * shell that waits for the network would keep it from getting there. */
void do_the_rest(void)
{
	char *links[] = { "busybox", "--install", "-s", NULL };
	char *lease[] = { "busybox", "udhcpc", "-f", "-i", "eth0", "-s", "/etc/udhcpc", NULL };

	run_aside(links, SCHED_IDLE);
	if (my_syscall2(__NR_access, "/sys/class/net/eth0", 0) == 0)
		run_aside(lease, SCHED_NORMAL);
}

void start_shell(void)
{
	mount_file_systems();
	bring_loopback_up();
	mount_shares();
	shell = fork();
	if (shell == 0)
		become_shell();
}
