// Threads of the host.
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

struct host_thread {
    pthread_t thread;
};

struct host_thread *host_thread_start(void *(*run)(void *argument), void *argument) {
    struct host_thread *thread = malloc(sizeof(*thread));
    if (thread == nullptr || pthread_create(&thread->thread, nullptr, run, argument) != 0) {
        abort();
    }
    return thread;
}

void *host_thread_join(struct host_thread *thread) {
    void *result;
    if (pthread_join(thread->thread, &result) != 0) {
        abort();
    }
    free(thread);
    return result;
}

void host_yield(void) {
    sched_yield();
}
