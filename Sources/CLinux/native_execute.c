#define _GNU_SOURCE
#include "caisson_native.h"
#include "native_template.h"

#include <errno.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096

// One reservation: code, context, extended state, a guard, the window's two pages, a guard; the void; and the stack that
// faults are handled on.
#define CONTEXT_AT (1 * PAGE)
#define STATE_AT (2 * PAGE)
#define WINDOW_AT (4 * PAGE)
#define VOID_AT (7 * PAGE)
#define VOID_SIZE (8 * PAGE)
#define STACK_AT (VOID_AT + VOID_SIZE)
#define STACK_SIZE (16 * PAGE)
#define RESERVED (STACK_AT + STACK_SIZE)

struct caisson_native {
    uint8_t *base;
    // The code page again, to write to.
    uint8_t *writable;
    uint64_t components;
    int protections[2];
    sigset_t signals;
    stack_t stack;
    struct caisson_native_fault fault;
};

static __thread struct caisson_native *running;

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
#define FAULT_SIGNALS (sizeof fault_signals / sizeof fault_signals[0])
static struct sigaction previous[FAULT_SIGNALS];
static pthread_mutex_t installation = PTHREAD_MUTEX_INITIALIZER;

static struct context *context_of(struct caisson_native *engine) { return (struct context *)(engine->base + CONTEXT_AT); }

// A fault that is none of an engine's: to whoever would have had it. A handler that gives it back here, having noted this
// one as what was there before it, would do so for ever: the third time it ends the process.
static void chain(int signal, siginfo_t *information, void *state, uint64_t rip)
{
    static __thread uint64_t last_rip;
    static __thread int repetitions;
    repetitions = rip == last_rip ? repetitions + 1 : 0;
    last_rip = rip;
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < FAULT_SIGNALS; i++)
        if (fault_signals[i] == signal)
            action = previous[i];
    if (repetitions < 2 && action.sa_flags & SA_SIGINFO) {
        action.sa_sigaction(signal, information, state);
    } else if (repetitions < 2 && action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN) {
        action.sa_handler(signal);
    } else {
        struct sigaction ending = {.sa_handler = SIG_DFL};
        sigaction(signal, &ending, NULL);
        raise(signal);
    }
}

int caisson_native_takes_fault(const void *information, void *state)
{
    struct caisson_native *engine = running;
    greg_t *registers = ((ucontext_t *)state)->uc_mcontext.gregs;
    uint64_t rip = (uint64_t)registers[REG_RIP];
    if (!engine || rip < (uint64_t)engine->base || rip >= (uint64_t)engine->base + PAGE || ((const siginfo_t *)information)->si_code <= 0)
        return 0;
    engine->fault.vector = (uint32_t)registers[REG_TRAPNO];
    engine->fault.error_code = (uint32_t)registers[REG_ERR];
    engine->fault.address = (uint64_t)registers[REG_CR2];
    registers[REG_RIP] = (greg_t)(engine->base + (caisson_template_fault - caisson_template));
    return 1;
}

static void on_fault(int signal, siginfo_t *information, void *state)
{
    if (!caisson_native_takes_fault(information, state))
        chain(signal, information, state, (uint64_t)((ucontext_t *)state)->uc_mcontext.gregs[REG_RIP]);
}

// Others install handlers as well, at any time: each run looks again.
static int install(void)
{
    for (size_t i = 0; i < FAULT_SIGNALS; i++) {
        struct sigaction current;
        if (sigaction(fault_signals[i], NULL, &current))
            return -errno;
        if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_fault)
            continue;
        pthread_mutex_lock(&installation);
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigfillset(&action.sa_mask);
        int result = sigaction(fault_signals[i], NULL, &current);
        if (!result && !((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_fault)) {
            previous[i] = current;
            result = sigaction(fault_signals[i], &action, NULL);
        }
        int error = errno;
        pthread_mutex_unlock(&installation);
        if (result)
            return -error;
    }
    return 0;
}

static uint64_t enabled_components(void)
{
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 0;
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    // x87, SSE, AVX and the three of AVX-512. PKRU would change what this process may touch.
    return ((uint64_t)high << 32 | low) & 0xe7;
}

// The code page, executable at `address` and writable at `*alias`, never both at one address.
static int map_code(uint8_t *address, uint8_t **alias)
{
    // MFD_EXEC, which hosts that forbid executable memory files by default want to be told.
    int file = (int)syscall(SYS_memfd_create, "caisson-native", 0x0001u | 0x0010u);
    if (file < 0 && errno == EINVAL)
        file = (int)syscall(SYS_memfd_create, "caisson-native", 0x0001u);
    if (file < 0)
        return -errno;
    int result = 0;
    *alias = MAP_FAILED;
    if (ftruncate(file, PAGE)) {
        result = -errno;
    } else if ((*alias = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED) {
        result = -errno;
    } else {
        memcpy(*alias, caisson_template, (size_t)(caisson_template_end - caisson_template));
        if (mmap(address, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
            result = -errno;
    }
    close(file);
    if (result && *alias != MAP_FAILED)
        munmap(*alias, PAGE);
    return result;
}

int caisson_native_create(struct caisson_native **result)
{
    uint64_t components = enabled_components();
    if ((components & 3) != 3)
        return -ENOSYS;
    struct caisson_native *engine = calloc(1, sizeof *engine);
    if (!engine)
        return -ENOMEM;
    engine->components = components;
    engine->base = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (engine->base == MAP_FAILED) {
        int error = errno;
        free(engine);
        return -error;
    }
    int error = map_code(engine->base, &engine->writable);
    const int usable = PROT_READ | PROT_WRITE;
    if (!error && (mprotect(engine->base + CONTEXT_AT, 2 * PAGE, usable) ||
                   mprotect(engine->base + WINDOW_AT, 2 * PAGE, usable) ||
                   mprotect(engine->base + STACK_AT, STACK_SIZE, usable))) {
        error = -errno;
        munmap(engine->writable, PAGE);
    }
    if (error) {
        munmap(engine->base, RESERVED);
        free(engine);
        return error;
    }
    engine->protections[0] = engine->protections[1] = usable;
    struct context *context = context_of(engine);
    context->rip = (uint64_t)engine->base + (uint64_t)(caisson_template_slot - caisson_template);
    context->has_avx = components >> 2 & 1;
    uint16_t selector;
    __asm__("movw %%cs, %0" : "=r"(selector));
    context->cs = selector;
    __asm__("movw %%ss, %0" : "=r"(selector));
    context->ss = selector;
    *result = engine;
    return 0;
}

void caisson_native_destroy(struct caisson_native *engine)
{
    munmap(engine->writable, PAGE);
    munmap(engine->base, RESERVED);
    free(engine);
}

uint64_t *caisson_native_registers(struct caisson_native *engine) { return context_of(engine)->registers; }

void *caisson_native_extended_state(struct caisson_native *engine) { return engine->base + STATE_AT; }

uint64_t caisson_native_components(const struct caisson_native *engine) { return engine->components; }

void *caisson_native_window(struct caisson_native *engine) { return engine->base + WINDOW_AT; }

uint64_t caisson_native_void(const struct caisson_native *engine)
{
    return (uint64_t)engine->base + VOID_AT + VOID_SIZE / 2;
}

struct caisson_native_region caisson_native_region(const struct caisson_native *engine)
{
    return (struct caisson_native_region){(uint64_t)engine->base, (uint64_t)engine->base + RESERVED};
}

int caisson_native_protect(struct caisson_native *engine, int first, int second)
{
    const int wanted[2] = {first, second};
    for (int i = 0; i < 2; i++) {
        if (engine->protections[i] == wanted[i])
            continue;
        if (mprotect(engine->base + WINDOW_AT + i * PAGE, PAGE, wanted[i]))
            return -errno;
        engine->protections[i] = wanted[i];
    }
    return 0;
}

int caisson_native_begin(struct caisson_native *engine)
{
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < FAULT_SIGNALS; i++)
        sigdelset(&blocked, fault_signals[i]);
    int error = pthread_sigmask(SIG_SETMASK, &blocked, &engine->signals);
    if (error)
        return -error;
    const stack_t stack = {.ss_sp = engine->base + STACK_AT, .ss_size = STACK_SIZE};
    if (sigaltstack(&stack, &engine->stack))
        error = -errno;
    else if ((error = install()))
        sigaltstack(&engine->stack, NULL);
    if (error)
        pthread_sigmask(SIG_SETMASK, &engine->signals, NULL);
    return error;
}

void caisson_native_end(struct caisson_native *engine)
{
    sigaltstack(&engine->stack, NULL);
    pthread_sigmask(SIG_SETMASK, &engine->signals, NULL);
}

int caisson_native_execute(struct caisson_native *engine, const uint8_t *code, size_t length, uint64_t components,
                           struct caisson_native_fault *fault)
{
    if (length == 0 || length > 15)
        return -EINVAL;
    struct context *context = context_of(engine);
    uint8_t *slot = engine->writable + (caisson_template_slot - caisson_template);
    memcpy(slot, code, length);
    memset(slot + length, 0x90, SLOT - length);
    const uint64_t arithmetic = 0x8d5 | 1 << 10;
    const uint64_t registers_rsp = context->registers[4];
    const uint64_t rflags = context->rflags;
    context->components = components & engine->components;
    context->flags = (rflags & arithmetic) | 0x202;
    context->rsp = registers_rsp;
    running = engine;
    __asm__ volatile("" ::: "memory");
    int faulted = ((int (*)(void))(void *)engine->base)();
    __asm__ volatile("" ::: "memory");
    running = NULL;
    if (faulted) {
        *fault = engine->fault;
        return 1;
    }
    context->rflags = (rflags & ~arithmetic) | (context->rflags & arithmetic);
    return 0;
}

int caisson_compare_exchange_16(void *p, uint64_t expected[2], const uint64_t desired[2])
{
    uint8_t equal;
    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@cce"(equal), "+m"(*(unsigned __int128 *)p), "+a"(expected[0]), "+d"(expected[1])
                     : "b"(desired[0]), "c"(desired[1])
                     : "memory");
    return equal;
}

#else

int caisson_native_takes_fault(const void *information, void *state) { return 0; }
int caisson_native_create(struct caisson_native **engine) { return -ENOSYS; }
void caisson_native_destroy(struct caisson_native *engine) {}
uint64_t *caisson_native_registers(struct caisson_native *engine) { return NULL; }
void *caisson_native_extended_state(struct caisson_native *engine) { return NULL; }
uint64_t caisson_native_components(const struct caisson_native *engine) { return 0; }
void *caisson_native_window(struct caisson_native *engine) { return NULL; }
int caisson_native_protect(struct caisson_native *engine, int first, int second) { return -ENOSYS; }
uint64_t caisson_native_void(const struct caisson_native *engine) { return 0; }
struct caisson_native_region caisson_native_region(const struct caisson_native *engine)
{
    return (struct caisson_native_region){0, 0};
}
int caisson_native_begin(struct caisson_native *engine) { return -ENOSYS; }
void caisson_native_end(struct caisson_native *engine) {}
int caisson_native_execute(struct caisson_native *engine, const uint8_t *code, size_t length, uint64_t components,
                           struct caisson_native_fault *fault)
{
    return -ENOSYS;
}
int caisson_compare_exchange_16(void *p, uint64_t expected[2], const uint64_t desired[2]) { return -ENOSYS; }

#endif
