#define _GNU_SOURCE
#include "caisson_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Starts a program with no signal blocked or ignored and only `count` descriptors: as n descriptors[n], or /dev/null where
// that is -1. None of them is one of 0 to 2, where there are standard streams. Returns 0 or the errno.
static int spawn(const char *name, char *const arguments[], char *const environment[], const int descriptors[], int count,
    short flags, pid_t *process)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);

    int error = posix_spawn_file_actions_init(&files);
    if (error)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&files);
        return error;
    }
    // Upwards: one that is 3 has been moved when 3 is taken.
    for (int i = 0; i < count && !error; i++)
        error = descriptors[i] < 0
            ? posix_spawn_file_actions_addopen(&files, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY, 0)
            : posix_spawn_file_actions_adddup2(&files, descriptors[i], i);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(&files, count);
    if (!error)
        error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!error)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | flags);
    if (!error)
        error = posix_spawnp(process, name, &files, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

int caisson_start_helper(const char *path, char *const arguments[], struct caisson_helper *helper)
{
    int stream[2], messages[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) < 0)
        return -errno;
    int error = pipe2(messages, O_CLOEXEC) < 0 ? errno : 0;
    if (error) {
        close(stream[0]);
        close(stream[1]);
        return -error;
    }
    *helper = (struct caisson_helper){ .end = -1, .stream = stream[0], .messages = messages[0] };
    static char *const environment[] = { NULL };
    const int descriptors[] = { -1, -1, messages[1], stream[1] };
    error = spawn(path, arguments, environment, descriptors, 4, POSIX_SPAWN_SETSID, &helper->process);
    close(stream[1]);
    close(messages[1]);
    if (!error) {
        helper->end = (int)syscall(SYS_pidfd_open, helper->process, 0);
        if (helper->end >= 0)
            return 0;
        error = errno;
        kill(helper->process, SIGKILL);
        caisson_reap(helper->process);
    }
    close(stream[0]);
    close(messages[0]);
    return -error;
}

int caisson_make_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
}

int caisson_start_program(const char *name, char *const arguments[], int output, int messages, pid_t *process)
{
    const int descriptors[] = { -1, output, messages };
    return -spawn(name, arguments, environ, descriptors, 3, 0, process);
}

int caisson_reap(pid_t process)
{
    int status;
    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int caisson_open_process(pid_t process)
{
    // Closed by exec: pidfd_open(2) always sees to that.
    int fd = (int)syscall(SYS_pidfd_open, process, 0);
    return fd < 0 ? -errno : fd;
}

int caisson_signal_process(int process, int signal)
{
    return syscall(SYS_pidfd_send_signal, process, signal, NULL, 0) < 0 ? -errno : 0;
}
