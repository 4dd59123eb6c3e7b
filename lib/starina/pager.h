// Folios whose pages the component supplies when somebody touches them: docs/first-pager.md.
#pragma once

#include <starina/types.h>

// What a pager does, on the main loop. All ranges are whole pages inside its folio.
struct page_source {
    // Somebody waits for the page at an offset, and may want `size` bytes from there on: pager_supply, now or later, those or
    // more. An error: they can't be had (pager_fail). Asked again for what was reclaimed meanwhile.
    status_t (*needed)(pager_t pager, void *context, uint64_t offset, uint64_t size);

    // A range was written. pager_write_begin, store it, pager_write_end. nullptr: clients can't write
    void (*dirty)(pager_t pager, void *context, uint64_t offset, uint64_t size);

    // Nobody has the folio any more. Afterwards the pager is closed. nullptr: there is nothing to be done
    void (*unused)(pager_t pager, void *context);
};

// Makes a folio of `size` bytes to be handed to clients, and serves its pages from `source` until nobody has it any more.
// Clients wait `patience` ns for a page, at most PAGER_PATIENCE_MAX; then they fail. ERR_LIMIT: .watches of COMPONENT;
// ERR_INVALID_ARGUMENT, ERR_TOO_LARGE, ERR_NO_MEMORY, ERR_NO_HANDLES
status_t pager_start(uint64_t size, nsec_t patience, const struct page_source *source, void *context, folio_t *out_folio);
