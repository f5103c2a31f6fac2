// Other programs' processes.
#pragma once

#include <sys/types.h>

struct caisson_helper {
    pid_t process;
    // Readable once the process has ended.
    int end;
    // A stream socket whose other end is the process's descriptor 3.
    int stream;
    // What the process writes to its standard error can be read here.
    int messages;
};

// Starts the program at `path` in a session of its own, with an empty environment, no signal blocked or ignored, and no
// descriptors but those and, as 0 and 1, /dev/null. Ours are closed by exec. Returns 0 or the negative errno.
int caisson_start_helper(const char *path, char *const arguments[], struct caisson_helper *helper);

// The ends of a pipe to read and to write, closed by exec. Returns 0 or the negative errno.
int caisson_make_pipe(int ends[2]);

// Starts the program `name`, looked for in PATH, with this process's environment, no signal blocked or ignored, and no
// descriptors but /dev/null, `output` and `messages` as 0, 1 and 2. Returns 0 or the negative errno.
int caisson_start_program(const char *name, char *const arguments[], int output, int messages, pid_t *process);

// Starts the program `name`, looked for in PATH, as the leader of a process group of its own, with only these words of environment and
// /dev/null, `output` and `messages` as 0, 1 and 2; otherwise as caisson_start_program. Its root directory is `root`, if that is not NULL:
// only for a process of one thread, which has it meanwhile. Returns 0 or the negative errno.
int caisson_start_group(const char *name, char *const arguments[], char *const environment[], const char *root, int output, int messages,
    pid_t *process);

// Gives this process a mount namespace of its own: what it mounts from now on nobody else sees, and it ends with the last process in there.
// Only for a process of one thread. Returns 0 or the negative errno.
int caisson_leave_mounts(void);

// mount(2) of a new file system of a type without a device, or, without a type, of what is at `source` and below it. Returns 0 or the
// negative errno.
int caisson_mount(const char *source, const char *target, const char *type);

// From now on the orphans among this process's descendants become its children. Returns 0 or the negative errno.
int caisson_adopt_orphans(void);

// The children of a process, zombies among them, as /proc tells: at most `capacity`. Returns their number or the negative errno.
int caisson_list_children(pid_t process, pid_t *children, int capacity);

// The processors that this process may use, in order, and those it and its children may use from now on. Return their number, or 0, or
// the negative errno.
int caisson_get_processors(int *processors, int capacity);
int caisson_set_processors(const int *processors, int count);

// Forgets all children that have ended, orphans that were adopted among them.
void caisson_reap_ended(void);

// Takes away what is mounted at `place`, at once from sight and for good as soon as nobody uses it. Returns 0 or the negative errno.
int caisson_unmount(const char *place);

// The environment's words, and NULL.
char *const *caisson_environment(void);

// Holds back the signals that ask a process to end, from now on; which of them is waiting, or 0.
int caisson_hold_ending_signals(void);
int caisson_held_ending_signal(void);

// Waits for a child's end and forgets it: its exit status, 128 + n for signal n, or the negative errno.
int caisson_reap(pid_t process);

// A process that need not be a child: a descriptor that means it for good and is readable once it has ended, closed by exec. Returns the
// descriptor or the negative errno.
int caisson_open_process(pid_t process);
// Returns 0 or the negative errno.
int caisson_signal_process(int process, int signal);
