// The machine's memory and handles, which must be as before.
#include "memory.h"

#include <inspect.client.h>
#include <needs.h>

enum : nsec_t { PATIENCE = 10 * NSEC_PER_SEC };
// The kernel's slabs: a partly used page of each size may come.
enum { MEMORY_TOLERANCE = 64 << 10 };

status_t memory_measure(struct memory *out_memory) {
    struct system_info info;
    TRY(system_info(&info));
    *out_memory = (struct memory) {.free = info.memory_free, .kernel = info.kernel_memory};
    status_t status = OK;
    for (uint32_t i = 0; status == OK; i++) {
        struct inspect_component_reply reply = {};
        status = inspect_component_call(need_inspect(), &(struct inspect_component) {i}, &reply, PATIENCE);
        out_memory->components += reply.memory_used;
        out_memory->handles += reply.handles;
    }
    return status == ERR_NOT_FOUND ? OK : status;
}

bool memory_check(const struct memory *before, const struct memory *after) {
    log_info("memory: %lu bytes free before, %lu after; components' %lu, %lu; kernel's %lu, %lu; handles %u, %u", before->free,
             after->free, before->components, after->components, before->kernel, after->kernel, before->handles,
             after->handles);
    return after->free + MEMORY_TOLERANCE >= before->free && after->handles == before->handles;
}
