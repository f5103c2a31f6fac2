/*
 * Starts a command. RUN's payload: u8 flags, u8 0, u16 0, u16 rows, u16 columns, u32 window of standard output, u32 window
 * of standard error, u32 count of arguments, u32 count of environment words; then texts: user, working directory,
 * arguments, environment.
 *
 * The process is made by vfork(), which copies no page tables: the child works in our memory until it executes the
 * command, and leaves its failure here.
 */
#include "files.h"
#include "session.h"

#define F_SETFL 4
#define F_DUPFD_CLOEXEC 1030
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct command {
	const char *user_text, *directory;
	char **arguments, **environment;
	unsigned long pointer_bytes;
	int rows, columns;
	int has_user;
	struct user user;
	/* The child's ends of its streams. */
	int ends[STREAM_COUNT];
	/* What the child failed at. */
	const char *what;
	int error;
};

/* The return address is kept in a register: the child overwrites the stack where it was. */
pid_t vfork(void) __attribute__((returns_twice));
__asm__(".text\n"
	"vfork:\n"
	"	pop %rdx\n"
	"	mov $58, %eax\n"
	"	syscall\n"
	"	push %rdx\n"
	"	ret\n");

static int parse(struct command *command, struct session *session, struct reader *reader)
{
	unsigned long argument_count, environment_count, count;
	char **pointers;

	session->flags = read_number(reader, 1);
	read_number(reader, 3);
	command->rows = read_number(reader, 2);
	command->columns = read_number(reader, 2);
	session->window[STREAM_OUTPUT] = read_number(reader, 4);
	session->window[STREAM_ERRORS] = read_number(reader, 4);
	session->window[STREAM_INPUT] = INPUT_WINDOW;
	argument_count = read_number(reader, 4);
	environment_count = read_number(reader, 4);
	command->user_text = read_text(reader);
	command->directory = read_text(reader);
	count = reader->end - reader->bytes;
	if (reader->failed || !argument_count || argument_count > count || environment_count > count)
		return -EPROTO;

	/* Each list ends with a NULL, and HOME may be one more. */
	command->pointer_bytes = (argument_count + environment_count + 3) * sizeof(char *);
	pointers = mmap(NULL, command->pointer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pointers == MAP_FAILED)
		return -ENOMEM;
	command->arguments = pointers;
	for (unsigned long i = 0; i < argument_count; i++)
		*pointers++ = (char *)read_text(reader);
	*pointers++ = NULL;
	command->environment = pointers;
	for (unsigned long i = 0; i < environment_count; i++)
		*pointers++ = (char *)read_text(reader);
	*pointers = NULL;
	return reader->failed ? -EPROTO : 0;
}

static const char *environment_value(const struct command *command, const char *name)
{
	unsigned long length = strlen(name);

	for (char **word = command->environment; *word; word++)
		if (strncmp(*word, name, length) == 0 && (*word)[length] == '=')
			return *word + length + 1;
	return NULL;
}

/* HOME, where the host did not say it. */
static void add_home(struct command *command, char *word)
{
	char **end = command->environment;

	if (environment_value(command, "HOME"))
		return;
	memcpy(word, "HOME=", 5);
	strcpy(word + 5, command->user.home[0] ? command->user.home : "/");
	while (*end)
		end++;
	*end++ = word;
	*end = NULL;
}

/* Streams */

static void close_ends(int *ends)
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		if (ends[i] >= 0)
			close(ends[i]);
		ends[i] = -1;
	}
}

static int open_terminal(struct command *command, struct session *session)
{
	struct winsize size = { .ws_row = command->rows, .ws_col = command->columns };
	int unlocked = 0, slave;
	int master = system3(open, "/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0);

	if (master < 0)
		return master;
	session->ends[STREAM_OUTPUT] = master;
	session->ends[STREAM_INPUT] = system3(fcntl, master, F_DUPFD_CLOEXEC, 0);
	system3(ioctl, master, TIOCSPTLCK, &unlocked);
	system3(ioctl, master, TIOCSWINSZ, &size);
	slave = system3(ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return slave;
	command->ends[STREAM_INPUT] = slave;
	command->ends[STREAM_OUTPUT] = system3(fcntl, slave, F_DUPFD_CLOEXEC, 0);
	command->ends[STREAM_ERRORS] = system3(fcntl, slave, F_DUPFD_CLOEXEC, 0);
	return command->ends[STREAM_ERRORS] < 0 ? command->ends[STREAM_ERRORS] : 0;
}

static int open_pipe(int *ours, int *theirs, int ours_writes)
{
	int both[2];
	int error = system2(pipe2, both, O_CLOEXEC);

	if (error < 0)
		return error;
	*ours = both[ours_writes];
	*theirs = both[!ours_writes];
	return 0;
}

static int open_streams(struct command *command, struct session *session)
{
	int error = 0;

	if (session->flags & RUN_TERMINAL)
		return open_terminal(command, session);
	if (session->flags & RUN_INPUT) {
		error = open_pipe(&session->ends[STREAM_INPUT], &command->ends[STREAM_INPUT], 1);
		/* Whoever reads it may never do so. The others are only read where there is something. */
		if (!error)
			error = system3(fcntl, session->ends[STREAM_INPUT], F_SETFL, O_NONBLOCK);
	} else {
		command->ends[STREAM_INPUT] = system3(open, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
		error = command->ends[STREAM_INPUT] < 0 ? command->ends[STREAM_INPUT] : 0;
	}
	for (int i = STREAM_OUTPUT; i <= STREAM_ERRORS && !error; i++)
		error = open_pipe(&session->ends[i], &command->ends[i], 0);
	return error;
}

/* In the child */

static void fail(struct command *command, const char *what, int error)
{
	command->what = what;
	command->error = -error;
	exit(127);
}

static void enter_directory(struct command *command)
{
	int error = system1(chdir, command->directory);

	if (error < 0)
		fail(command, command->directory, error);
}

static void become_user(struct command *command)
{
	const struct user *user = &command->user;
	int error;

	/* What it opens as /dev/stdout is to be its own. */
	for (int i = 0; i < STREAM_COUNT && user->id; i++)
		system3(fchown, i, user->id, -1);
	error = system2(setgroups, user->group_count, user->groups);
	if (error >= 0)
		error = system1(setgid, user->group);
	if (error >= 0)
		error = system1(setuid, user->id);
	if (error < 0)
		fail(command, command->user_text, error);
}

/* As execvp(3): a file that may not be executed does not keep others from being found. */
static void execute(struct command *command)
{
	const char *name = command->arguments[0], *path = environment_value(command, "PATH");
	unsigned long name_length = strlen(name);
	char file[PATH_LIMIT];
	int refused = 0, error = -ENOENT;

	if (!path)
		path = DEFAULT_PATH;
	for (const char *p = name; *p; p++) {
		if (*p == '/') {
			error = system3(execve, name, command->arguments, command->environment);
			fail(command, name, error);
		}
	}
	while (*name) {
		unsigned long length = 0;

		while (path[length] && path[length] != ':')
			length++;
		if (length + 1 + name_length < PATH_LIMIT) {
			memcpy(file, path, length);
			if (length)
				file[length] = '/';
			strcpy(file + length + (length != 0), name);
			/* A process makes much ready for a program before it finds that it is not there. */
			error = system2(access, file, ACCESS_EXECUTE);
			if (error == 0)
				error = system3(execve, file, command->arguments, command->environment);
			if (error == -EACCES)
				refused = 1;
			else if (error != -ENOENT && error != -ENOTDIR)
				break;
		}
		if (!path[length])
			break;
		path += length + 1;
	}
	if (refused && (error == -ENOENT || error == -ENOTDIR))
		error = -EACCES;
	/* The default guest's busybox knows its applets before there are links to it. */
	if (shell && error == -ENOENT)
		system3(execve, "/bin/busybox", command->arguments, command->environment);
	fail(command, name, error);
}

static void become_command(struct command *command, int has_terminal)
{
	unsigned long none = 0;

	system1(umask, 022);
	system4(rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	my_syscall0(__NR_setsid);
	for (int i = 0; i < STREAM_COUNT; i++)
		system2(dup2, command->ends[i], i);
	if (has_terminal)
		system3(ioctl, 0, TIOCSCTTY, 0);
	if (command->directory[0] && system2(access, command->directory, 0) == -ENOENT)
		make_directories(command->directory);
	if (command->has_user)
		become_user(command);
	if (command->directory[0])
		enter_directory(command);
	execute(command);
}

static void tell_started(struct session *session)
{
	unsigned char *frame = session->out + session->out_end;

	/* A type, a length of 4, a number. */
	memset(frame, 0, 8);
	frame[0] = FRAME_STARTED;
	frame[1] = 4;
	memcpy(frame + FRAME_HEADER, &session->process, 4);
	session->out_end += 8;
}

static void start(struct command *command, struct session *session)
{
	pid_t process = vfork();

	if (process == 0)
		become_command(command, session->flags & RUN_TERMINAL);
	if (process < 0) {
		send_error(session, 125, "vfork", error_text(-process));
	} else if (command->error) {
		/* It is reaped as all others are. */
		int is_absent = command->what == command->arguments[0] && command->error == ENOENT;

		send_error(session, is_absent ? 127 : 126, command->what,
			   is_absent ? "no such command" : error_text(command->error));
	} else {
		session->process = process;
		tell_started(session);
	}
}

void run_command(struct session *session, struct reader *reader)
{
	struct command command = { .ends = { -1, -1, -1 } };
	char home[sizeof(command.user.home) + 8];
	const char *what;
	int error = parse(&command, session, reader);

	command.has_user = command.user_text && command.user_text[0];
	strcpy(command.user.home, "/root");
	if (error) {
		send_error(session, 125, "RUN", error_text(-error));
	} else if (share_failure(&what) < 0) {
		send_error(session, 125, what, error_text(-share_failure(&what)));
	} else if (command.has_user && !find_user(command.user_text, &command.user)) {
		send_error(session, 125, command.user_text, "no such user or group");
	} else {
		add_home(&command, home);
		error = open_streams(&command, session);
		if (error < 0)
			send_error(session, 125, "streams", error_text(-error));
		else
			start(&command, session);
	}
	close_ends(command.ends);
	if (!session->process)
		close_ends(session->ends);
	if (command.arguments)
		munmap(command.arguments, command.pointer_bytes);
}
