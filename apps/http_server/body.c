// Lends what bodies are made of. Names are the network's: another one, after a restart, has others.
#include "body.h"

#include "test_body.h"

#include <needs.h>
#include <network.client.h>
#include <starina/process.h>

static struct {
    uint32_t name; // 0: not lent
    uint64_t start;
} lent[BODY_KINDS];

uint32_t body_lent(enum body body) {
    return lent[body].name;
}

uint64_t body_start(enum body body) {
    return lent[body].start;
}

static void on_lent(void *context, status_t status, const struct network_lend_reply *reply) {
    if (status != OK) {
        log_error("can't lend to the network: %s", status_name(status));
        component_exit(1);
    }
    lent[(uintptr_t) context].name = reply->lent;
}

static status_t lend(enum body body, folio_t folio, uint64_t offset, uint64_t size) {
    struct network_lend request = {.offset = offset, .size = size};
    lent[body].name = 0;
    lent[body].start = offset;
    TRY(handle_duplicate(folio.handle, RIGHT_READ | RIGHT_TRANSFER | RIGHT_DUPLICATE | RIGHT_DMA, &request.folio.handle));
    status_t status = network_lend_begin(need_network(), &request, on_lent, (void *) (uintptr_t) body);
    if (status != OK) {
        (void) handle_close(request.folio.handle); // it stayed here
    }
    return status;
}

status_t bodies_lend(void) {
    uint64_t offset, size;
    if (archive_range(config_bytes("root", BYTES("/site")), &offset, &size) == OK) {
        TRY(lend(BODY_FILE, archive_folio(), offset, size));
    }
    return test_body_is_enabled() ? lend(BODY_TEST, test_body_folio(), 0, TEST_BODY_PERIOD) : OK;
}
