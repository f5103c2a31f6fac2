#define _GNU_SOURCE
#include "caisson_native.h"
#include "caisson_terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

// Written before any handler is installed, read by handlers.
static int terminal;
static struct termios original, raw;
// `wanted`: raw mode was entered and not left. `applied`: the terminal is in it now.
static volatile sig_atomic_t wanted, applied;

static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS };
static const int endings[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
static struct sigaction previous[_NSIG];
static volatile sig_atomic_t installed[_NSIG];

#define COUNT(array) (sizeof(array) / sizeof *(array))

// Async-signal-safe. SIGTTOU is blocked meanwhile, so that a background process sets the terminal and does not stop.
static int apply(const struct termios *mode)
{
    sigset_t ttou, old;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &old);
    int result;
    do
        result = tcsetattr(terminal, TCSANOW, mode) < 0 ? -errno : 0;
    while (result == -EINTR);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

static void restore(void)
{
    if (applied) {
        applied = 0;
        apply(&original);
    }
}

// After a stop: the shell has set the terminal as it likes, and another job may own it now.
static void resume(void)
{
    pid_t owner = tcgetpgrp(terminal);
    if (wanted && (owner < 0 || owner == getpgrp())) {
        applied = 1;
        apply(&raw);
    }
}

// The signal arrives again, at its previous disposition, when the handler returns: the exit status stays true.
static void on_end(int number)
{
    int saved = errno;
    restore();
    sigaction(number, &previous[number], NULL);
    raise(number);
    errno = saved;
}

// An instruction of a guest's may fault on a thread of this process and hurt nobody, whichever handler came last.
static void on_crash(int number, siginfo_t *information, void *state)
{
    if (!caisson_native_takes_fault(information, state))
        on_end(number);
}

static void on_stop(int number)
{
    int saved = errno;
    struct sigaction ours;
    sigset_t set;
    restore();
    sigaction(number, &previous[number], &ours);
    raise(number);
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    // Stopped here, until SIGCONT.
    sigaction(number, &ours, NULL);
    resume();
    errno = saved;
}

static void on_continue(int number)
{
    int saved = errno;
    (void)number;
    applied = 0;
    resume();
    errno = saved;
}

static void install_action(int number, struct sigaction action)
{
    action.sa_flags |= SA_ONSTACK | SA_RESTART;
    installed[number] = sigaction(number, &action, NULL) == 0;
}

static void install_on_crash(int number)
{
    struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO };
    if (sigaction(number, NULL, &previous[number]) == 0 && previous[number].sa_handler != SIG_IGN)
        install_action(number, action);
}

// Whoever handles the signal already decides what it means.
static void install(int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };
    if (sigaction(number, NULL, &previous[number]) == 0 && previous[number].sa_handler == SIG_DFL)
        install_action(number, action);
}

static void uninstall(int number)
{
    struct sigaction now;
    if (installed[number] && sigaction(number, NULL, &now) == 0 &&
        (now.sa_sigaction == on_crash || now.sa_handler == on_end || now.sa_handler == on_stop ||
         now.sa_handler == on_continue))
        sigaction(number, &previous[number], NULL);
    installed[number] = 0;
}

int caisson_terminal_enter_raw(int fd)
{
    static int registered;
    if (wanted)
        return -EBUSY;
    if (tcgetattr(fd, &original) < 0)
        return -errno;
    terminal = fd;
    raw = original;
    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;

    if (!registered) {
        atexit(restore);
        registered = 1;
    }
    for (size_t i = 0; i < COUNT(crashes); i++)
        install_on_crash(crashes[i]);
    for (size_t i = 0; i < COUNT(endings); i++)
        install(endings[i], on_end);
    install(SIGTSTP, on_stop);
    install(SIGCONT, on_continue);

    wanted = applied = 1;
    // A background job stops here until it is brought to the front, as any program that takes the terminal does.
    int result;
    do
        result = tcsetattr(fd, TCSANOW, &raw) < 0 ? -errno : 0;
    while (result == -EINTR);
    if (result < 0)
        caisson_terminal_leave_raw();
    return result;
}

int caisson_terminal_leave_raw(void)
{
    if (!wanted)
        return 0;
    int result = applied ? apply(&original) : 0;
    wanted = applied = 0;
    for (size_t i = 0; i < COUNT(crashes); i++)
        uninstall(crashes[i]);
    for (size_t i = 0; i < COUNT(endings); i++)
        uninstall(endings[i]);
    uninstall(SIGTSTP);
    uninstall(SIGCONT);
    return result;
}

int caisson_terminal_is_raw(void) { return applied; }

int caisson_terminal_size(int fd, uint16_t *columns, uint16_t *rows)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0)
        return -errno;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 0;
}

int caisson_make_raw(int fd)
{
    struct termios mode;
    if (tcgetattr(fd, &mode) < 0)
        return -errno;
    cfmakeraw(&mode);
    return tcsetattr(fd, TCSANOW, &mode) < 0 ? -errno : 0;
}

int caisson_open_pseudoterminal(int *master, char *path, size_t capacity)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = 0;
    if (grantpt(fd) < 0 || unlockpt(fd) < 0)
        error = -errno;
    else
        error = -ptsname_r(fd, path, capacity);
    if (error == 0)
        error = caisson_make_raw(fd);
    if (error < 0) {
        close(fd);
        return error;
    }
    *master = fd;
    return 0;
}
