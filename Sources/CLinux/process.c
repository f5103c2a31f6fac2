#define _GNU_SOURCE
#include "caisson_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
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

int caisson_start_group(const char *name, char *const arguments[], char *const environment[], const char *root, int output, int messages,
    pid_t *process)
{
    const int descriptors[] = { -1, output, messages };
    if (!root)
        return -spawn(name, arguments, environment, descriptors, 3, POSIX_SPAWN_SETPGROUP, process);
    // The way back: what was opened before stays reachable.
    int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int error = old_root < 0 || here < 0 || chroot(root) < 0 ? errno : 0;
    if (!error) {
        error = chdir("/") < 0 ? errno : spawn(name, arguments, environment, descriptors, 3, POSIX_SPAWN_SETPGROUP, process);
        // This process cannot go on in there.
        if (fchdir(old_root) < 0 || chroot(".") < 0 || fchdir(here) < 0)
            abort();
    }
    if (old_root >= 0)
        close(old_root);
    if (here >= 0)
        close(here);
    return -error;
}

int caisson_leave_mounts(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        return -errno;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

int caisson_mount(const char *source, const char *target, const char *type)
{
    return mount(source, target, type, type ? MS_NOSUID : MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
}

int caisson_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0; }

// The parent of a process, or 0 where there is none or the process has gone.
static pid_t parent(pid_t process)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    if (count <= 0)
        return 0;
    text[count] = 0;
    // The name before the state is in parentheses and may hold any of these itself.
    char *end = strrchr(text, ')');
    int result = 0;
    return end && sscanf(end + 1, " %*c %d", &result) == 1 ? result : 0;
}

int caisson_list_children(pid_t process, pid_t *children, int capacity)
{
    DIR *folder = opendir("/proc");
    if (!folder)
        return -errno;
    int count = 0;
    for (struct dirent *entry; count < capacity && (entry = readdir(folder));) {
        pid_t candidate = atoi(entry->d_name);
        if (candidate > 0 && parent(candidate) == process)
            children[count++] = candidate;
    }
    closedir(folder);
    return count;
}

int caisson_get_processors(int *processors, int capacity)
{
    cpu_set_t set;
    int count = 0;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return -errno;
    for (int number = 0; number < CPU_SETSIZE && count < capacity; number++)
        if (CPU_ISSET(number, &set))
            processors[count++] = number;
    return count;
}

int caisson_set_processors(const int *processors, int count)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < count; i++) {
        if (processors[i] < 0 || processors[i] >= CPU_SETSIZE)
            return -EINVAL;
        CPU_SET(processors[i], &set);
    }
    return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

void caisson_reap_ended(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int caisson_unmount(const char *place) { return umount2(place, MNT_DETACH) < 0 ? -errno : 0; }

char *const *caisson_environment(void) { return environ; }

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

int caisson_hold_ending_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof ending_signals / sizeof *ending_signals; i++)
        sigaddset(&set, ending_signals[i]);
    return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int caisson_held_ending_signal(void)
{
    sigset_t set;
    if (sigpending(&set) < 0)
        return 0;
    for (size_t i = 0; i < sizeof ending_signals / sizeof *ending_signals; i++)
        if (sigismember(&set, ending_signals[i]) == 1)
            return ending_signals[i];
    return 0;
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
