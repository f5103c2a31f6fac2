// The same reads as the disk benchmark's guest, by system calls on the host: a thread for each disk, one pread a request.
// usage: disk_host FILE...: says A after a first batch of each, and B after BATCHES more.
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_barrier_t barrier;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void run_batch(int file, char *data)
{
    for (int request = 0; request < REQUESTS; request++)
        if (pread(file, data + (size_t)request * BYTES, BYTES, (off_t)(STRIDE * request % REQUESTS) * SPACING) != BYTES)
            fail("pread");
}

static void *run(void *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    char *data = malloc((size_t)REQUESTS * BYTES);
    if (file < 0 || data == NULL)
        fail(path);
    run_batch(file, data);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (int batch = 0; batch < BATCHES; batch++)
        run_batch(file, data);
    return NULL;
}

int main(int count, char **arguments)
{
    pthread_t threads[16];
    if (count < 2 || count > 17) {
        fputs("usage: disk_host FILE...\n", stderr);
        return 2;
    }
    pthread_barrier_init(&barrier, NULL, count);
    for (int index = 1; index < count; index++)
        if (pthread_create(&threads[index - 1], NULL, run, arguments[index]) != 0)
            fail("pthread_create");
    pthread_barrier_wait(&barrier);
    if (write(STDOUT_FILENO, "A", 1) != 1)
        fail("standard output");
    pthread_barrier_wait(&barrier);
    for (int index = 1; index < count; index++)
        pthread_join(threads[index - 1], NULL);
    if (write(STDOUT_FILENO, "B", 1) != 1)
        fail("standard output");
    pause();
    return 0;
}
