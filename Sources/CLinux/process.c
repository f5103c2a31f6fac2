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

static int spawn(const char *path, char *const arguments[], int stream, int messages, pid_t *process)
{
    static char *const environment[] = { NULL };
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
    // Neither is one of 0 to 2, where there are standard streams; either may be 3, so `messages` is moved first.
    if (!error)
        error = posix_spawn_file_actions_adddup2(&files, messages, 2);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&files, stream, 3);
    if (!error)
        error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(&files, 4);
    if (!error)
        error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!error)
        error = posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    if (!error)
        error = posix_spawn(process, path, &files, &attributes, arguments, environment);
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
    error = spawn(path, arguments, stream[1], messages[1], &helper->process);
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
