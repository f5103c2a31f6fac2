#define _GNU_SOURCE
#include "caisson_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int caisson_kick_signal(void) { return SIGRTMIN; }

static void woken(int number) { (void)number; }

int caisson_install_kick_handler(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    // No SA_RESTART: KVM_RUN has to return EINTR.
    action.sa_handler = woken;
    return sigaction(SIGRTMIN, &action, NULL) < 0 ? -errno : 0;
}

int caisson_unblock_kick(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    return -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int caisson_kick(pthread_t thread) { return -pthread_kill(thread, SIGRTMIN); }

int caisson_pin_thread(int processor)
{
    cpu_set_t set;
    if (processor < 0 || processor >= CPU_SETSIZE)
        return -EINVAL;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

// The first version of struct sched_attr in <linux/sched/types.h>, which cannot be included beside glibc's <sched.h>;
// before 2.41 glibc does not name it.
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

int caisson_set_time_slice(uint64_t nanoseconds)
{
    struct scheduling attributes;
    // All else stays as it is.
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) < 0)
        return -errno;
    attributes.runtime = nanoseconds;
    return syscall(SYS_sched_setattr, 0, &attributes, 0) < 0 ? -errno : 0;
}

int64_t caisson_thread_cpu_time(pthread_t thread)
{
    clockid_t clock;
    struct timespec time;
    int error = pthread_getcpuclockid(thread, &clock);
    if (error != 0)
        return -error;
    if (clock_gettime(clock, &time) < 0)
        return -errno;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// glibc before 2.37 does not name the field.
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

int caisson_kick_self_after(uint64_t nanoseconds, timer_t *timer)
{
    struct sigevent event;
    struct itimerspec time;
    memset(&event, 0, sizeof event);
    memset(&time, 0, sizeof time);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGRTMIN;
    event.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, timer) < 0)
        return -errno;
    time.it_value.tv_sec = nanoseconds / 1000000000;
    time.it_value.tv_nsec = nanoseconds % 1000000000;
    if (timer_settime(*timer, 0, &time, NULL) < 0) {
        int error = errno;
        timer_delete(*timer);
        return -error;
    }
    return 0;
}

int caisson_cancel_kick(timer_t timer) { return timer_delete(timer) < 0 ? -errno : 0; }

// Signals that came, a byte each. The ends are made before the first handler is installed, and stay.
static int notes[2] = {-1, -1};

static void note(int number)
{
    int saved = errno;
    uint8_t byte = (uint8_t)number;
    // A full pipe has enough to tell.
    ssize_t written = write(notes[1], &byte, 1);
    (void)written;
    errno = saved;
}

int caisson_note_signal(int number)
{
    struct sigaction previous;
    if (notes[0] < 0 && pipe2(notes, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    if (sigaction(number, NULL, &previous) < 0)
        return -errno;
    if (previous.sa_handler == SIG_IGN)
        return 0;
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    return sigaction(number, &action, NULL) < 0 ? -errno : 0;
}

int caisson_signal_notes(void) { return notes[0]; }

int caisson_next_signal(void)
{
    uint8_t byte;
    return read(notes[0], &byte, 1) == 1 ? byte : 0;
}
