// Threads for tests on the host, apart from <pthread.h>, whose timer_create is not ours.
#pragma once

struct host_thread;

struct host_thread *host_thread_start(void *(*run)(void *argument), void *argument);
void *host_thread_join(struct host_thread *thread); // what `run` returned
void host_yield(void);
