#define _GNU_SOURCE
#include "caisson_thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
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

static void kick_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGRTMIN);
}

int caisson_unblock_kick(int *was_blocked)
{
    sigset_t set, old;
    kick_set(&set);
    int error = pthread_sigmask(SIG_UNBLOCK, &set, &old);
    if (error == 0)
        *was_blocked = sigismember(&old, SIGRTMIN) == 1;
    return -error;
}

int caisson_block_kick(void)
{
    sigset_t set;
    kick_set(&set);
    return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int caisson_kick(pthread_t thread) { return -pthread_kill(thread, SIGRTMIN); }

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

int caisson_ignore_signal(int number)
{
    struct sigaction action, previous;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    if (sigaction(number, &action, &previous) < 0)
        return -errno;
    return previous.sa_handler == SIG_IGN;
}
