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

// Waits for a child's end and forgets it: its exit status, 128 + n for signal n, or the negative errno.
int caisson_reap(pid_t process);

// A process that need not be a child: a descriptor that means it for good and is readable once it has ended, closed by exec. Returns the
// descriptor or the negative errno.
int caisson_open_process(pid_t process);
// Returns 0 or the negative errno.
int caisson_signal_process(int process, int signal);
