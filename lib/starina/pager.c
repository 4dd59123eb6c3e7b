// Pagers: what their events ask of a page source.
#include "internal.h"

#include <starina/pager.h>

// Clients get a handle without the right to write if the source is not prepared for that.
static status_t restrict_rights(const struct page_source *source, folio_t whole, folio_t *out_folio) {
    if (source->dirty != nullptr) {
        *out_folio = whole;
        return OK;
    }
    handle_t readable = HANDLE_INVALID;
    status_t status = handle_duplicate(whole.handle, RIGHT_READ | RIGHT_TRANSFER | RIGHT_DUPLICATE, &readable);
    (void) handle_close(whole.handle);
    *out_folio = (folio_t) {readable};
    return status;
}

status_t pager_start(uint64_t size, nsec_t patience, const struct page_source *source, void *context, folio_t *out_folio) {
    uint64_t handles;
    TRY(pager_create(size, patience, &handles));
    handle_t pager = (handle_t) handles;
    status_t status = restrict_rights(source, (folio_t) {(handle_t) (handles >> 32)}, out_folio);
    if (status == OK) {
        status = watch_begin((struct watch) {.object = pager, .kind = WATCH_PAGER, .source = source, .context = context});
        if (status != OK) {
            (void) handle_close(out_folio->handle);
        }
    }
    if (status != OK) {
        (void) handle_close(pager);
    }
    return status;
}

void pager_deliver(pager_t pager, const struct page_source *source, void *context, const struct event *event) {
    switch (event->kind) {
    case EVENT_PAGE_NEEDED:
        if (source->needed(pager, context, event->value, event->size) != OK) {
            (void) pager_fail(pager, event->value, PAGE_SIZE); // further pages of the range may be others' concern
        }
        break;
    case EVENT_PAGE_DIRTY:
        if (source->dirty != nullptr) {
            source->dirty(pager, context, event->value, event->size);
        }
        break;
    case EVENT_CLOSED:
        if (source->unused != nullptr) {
            source->unused(pager, context);
        }
        (void) watch_remove(pager.handle);
        (void) handle_close(pager.handle);
        break;
    default:
        break; // pagers have no others
    }
}
