// What ipc_bench measures of streams of data, and what its files share.
#pragma once

#include <starina/component.h>

// One operation, so often. An error ends the component.
typedef status_t run(size_t operations);

// What the machine does for a thousand operations, besides executing instructions.
status_t log_events(const char *name, run *run);

status_t measure_queue_of_messages(void); // a million messages through a queue in shared memory
status_t measure_folios(void);            // 1 GiB, moved as folios
