// Pagers: requests to them, what they supply, what is written to it, and what is reclaimed of it.
#include "pager.h"

#include "heap.h"
#include "page.h"
#include "process.h"
#include "scheduler.h"
#include "syscall.h"
#include "vmspace.h"

enum : uint64_t { RANGE_MAX = 1 << 20 }; // of pages that one call is about

static struct list pagers; // those that may have pages to reclaim take turns

static struct thread *waiter_of(struct list *node) {
    return LIST_CONTAINER(node, struct thread, page_node);
}

// --- Waiting for a page ---

status_t pager_wait(struct thread *thread, struct folio *folio, uint64_t offset, uint64_t size, nsec_t deadline) {
    struct pager *pager = folio_pager(folio, offset, &thread->wait_offset);
    thread->wait_pager = pager;
    thread->wait_size = size;
    thread->is_wait_told = false;
    list_push_back(&pager->waiters, &thread->page_node);
    nsec_t patient_until = arch_clock_now() + pager->patience;
    thread_block(thread, deadline < patient_until ? deadline : patient_until);
    watch_signal(&pager->watch);
    return STATUS_BLOCKED;
}

void pager_forget_waiter(struct thread *thread) {
    if (thread->wait_pager != nullptr) {
        list_remove(&thread->page_node);
        thread->wait_pager = nullptr;
    }
}

void pager_end_wait(struct thread *thread, status_t status) {
    struct pager *pager = thread->wait_pager;
    pager_forget_waiter(thread);
    if (arch_thread_is_in_call(&thread->arch)) {
        thread_end_wait(thread, status);
        if (status == OK) {
            arch_set_result(&thread->arch, OK, folio_present(pager->folio, thread->wait_offset, thread->wait_size));
        }
        scheduler_make_ready(thread);
    } else {
        thread_end_fault(thread, status);
    }
}

// Ends the waits for pages in a range: of those that came, or with an error. For those that did not stay it is asked again.
static void end_waits(struct pager *pager, uint64_t offset, uint64_t size, status_t status) {
    struct list *node = pager->waiters.next;
    while (node != &pager->waiters) {
        struct thread *thread = waiter_of(node);
        struct folio_page page;
        bool is_meant = thread->wait_offset >= offset && thread->wait_offset - offset < size;
        bool has_come = is_meant && folio_find_page(pager->folio, thread->wait_offset, &page);
        thread->is_wait_told &= !is_meant || has_come;
        if (has_come || (is_meant && status != OK)) {
            pager_end_wait(thread, status); // may end others that wait here, with its process
            node = pager->waiters.next;
        } else {
            node = node->next;
        }
    }
}

// --- What it is told ---

static struct thread *untold_waiter(const struct pager *pager) {
    LIST_FOR_EACH(node, &pager->waiters) {
        if (!waiter_of(node)->is_wait_told) {
            return waiter_of(node);
        }
    }
    return nullptr;
}

bool pager_has_news(const struct pager *pager) {
    bool is_close_due = pager->folio == nullptr && !pager->is_close_told;
    return is_close_due || pager->untold > 0 || untold_waiter(pager) != nullptr;
}

// All that wait for the same page are told of at once.
static void tell_of_waiter(struct pager *pager, const struct thread *first, struct event *event) {
    event->kind = EVENT_PAGE_NEEDED;
    event->value = first->wait_offset;
    event->size = first->wait_size;
    LIST_FOR_EACH(node, &pager->waiters) {
        struct thread *thread = waiter_of(node);
        thread->is_wait_told |= thread->wait_offset == event->value && thread->wait_size <= event->size;
    }
}

static bool is_untold(const uint64_t *entry) {
    return entry != nullptr && (*entry & (PAGE_DIRTY | PAGE_TOLD)) == PAGE_DIRTY;
}

// The next run of pages that were written.
static void tell_of_dirty(struct pager *pager, struct event *event) {
    const struct page_tree *pages = &pager->folio->pages;
    uint64_t at = pager->told_up_to;
    while (!is_untold(page_tree_next(pages, &at, pages->count))) {
        at = at + 1 < pages->count ? at + 1 : 0;
    }
    uint64_t *entry;
    event->kind = EVENT_PAGE_DIRTY;
    event->value = at * PAGE_SIZE;
    event->size = 0;
    while (at < pages->count && event->size < RANGE_MAX && is_untold(entry = page_tree_find(pages, at))) {
        *entry |= PAGE_TOLD;
        pager->untold--;
        event->size += PAGE_SIZE;
        at++;
    }
    pager->told_up_to = at;
}

bool pager_collect(struct pager *pager, struct thread *thread) {
    struct event *event = &thread->buffer->event;
    struct thread *waiter = untold_waiter(pager);
    // In turns: pages that are written can be stored before memory is full of them.
    if (waiter != nullptr && (pager->untold == 0 || !pager->is_dirtys_turn)) {
        tell_of_waiter(pager, waiter, event);
        pager->is_dirtys_turn = true;
    } else if (pager->untold > 0) {
        tell_of_dirty(pager, event);
        pager->is_dirtys_turn = false;
    } else if (pager_has_news(pager)) {
        pager->is_close_told = true;
        event->kind = EVENT_CLOSED;
    } else {
        return false;
    }
    return true;
}

void pager_page_written(struct pager *pager, uint64_t *entry) {
    if ((*entry & PAGE_DIRTY) == 0) {
        *entry |= PAGE_DIRTY;
        pager->untold++;
        watch_signal(&pager->watch);
    }
}

// --- Reclaiming ---

static bool is_reclaimable(uint64_t entry) {
    return (entry & (PAGE_BORROWED | PAGE_DIRTY | PAGE_WRITING | PAGE_NEW)) == 0 && !page_is_shared(page_of(entry));
}

// From where the last search ended, once around.
static bool reclaim_of(struct pager *pager) {
    struct folio *folio = pager->folio;
    uint64_t start = pager->reclaim_at, at = start;
    bool is_around = false;
    while (!is_around || at < start) {
        uint64_t *entry = page_tree_next(&folio->pages, &at, folio->pages.count);
        if (entry == nullptr) {
            if (is_around) {
                break;
            }
            is_around = true;
            at = 0;
            continue;
        }
        if (is_reclaimable(*entry)) {
            vmspace_unmap_folio(folio, at * PAGE_SIZE, PAGE_SIZE);
            page_free(folio->object.account, 0, page_of(*entry));
            *entry = 0;
            pager->reclaim_at = at + 1;
            return true;
        }
        at++;
    }
    pager->has_reclaimable = false;
    return false;
}

bool page_reclaim(const struct account *account) {
    if (pagers.next == nullptr) {
        return false;
    }
    LIST_FOR_EACH(node, &pagers) {
        struct pager *pager = LIST_CONTAINER(node, struct pager, node);
        bool is_meant = pager->folio != nullptr && (account == nullptr || pager->folio->object.account == account);
        if (is_meant && pager->has_reclaimable && reclaim_of(pager)) {
            list_remove(&pager->node);
            list_push_back(&pagers, &pager->node);
            return true;
        }
    }
    return false;
}

// --- Its end, and its folio's ---

void pager_folio_gone(struct pager *pager) {
    // Who touched a page has no mapping of it any more, and hears of that when it touches it again. No process may end here:
    // handles are closed in the middle of delivering a message to it.
    while (!list_is_empty(&pager->waiters)) {
        struct thread *thread = waiter_of(pager->waiters.next);
        pager_end_wait(thread, arch_thread_is_in_call(&thread->arch) ? ERR_CLOSED : OK);
    }
    pager->folio->pager = nullptr;
    pager->folio = nullptr;
    pager->untold = 0;
    watch_signal(&pager->watch);
}

// Its handle does not travel, so this is a system call of its process, or that one's end.
void pager_destroy(struct object *object) {
    struct pager *pager = (struct pager *) object;
    watch_end(&pager->watch);
    list_remove(&pager->node);
    if (pager->folio != nullptr) {
        pager->folio->pager = nullptr;
        while (!list_is_empty(&pager->waiters)) {
            pager_end_wait(waiter_of(pager->waiters.next), ERR_CLOSED);
        }
    }
    heap_free(pager, sizeof(*pager), object->account);
}

// --- Supplying ---

// The promise that the folio had is the source's then, which has lost a page.
static void move_page(struct folio *folio, uint64_t *entry, struct folio *source, uint64_t *from) {
    *entry = page_of(*from);
    *from = 0;
    folio->promised -= PAGE_SIZE;
    if (source->is_sparse) {
        page_unreserve(source->object.account, PAGE_SIZE);
    } else {
        source->promised += PAGE_SIZE;
    }
}

// The source is mapped nowhere. A page of it that others have too is copied; one that never was is zero.
static status_t supply_promised(struct folio *folio, struct folio *source, uint64_t source_offset, uint64_t *entry) {
    struct folio_page page;
    if (source->kind == FOLIO_IMAGE) {
        *entry = (source->base + source_offset) | PAGE_BORROWED;
        folio_withdraw_promise(folio);
        return OK;
    }
    bool has_content = folio_find_page(source, source_offset, &page);
    uint64_t *from =
        source->kind == FOLIO_PAGES && has_content ? page_tree_find(&source->pages, source_offset / PAGE_SIZE) : nullptr;
    if (from != nullptr && (*from & PAGE_BORROWED) == 0 && !page_is_shared(page_of(*from))) {
        move_page(folio, entry, source, from);
        return OK;
    }
    folio_fulfil_promise(folio);
    struct account *account = folio->object.account;
    return has_content ? page_allocate_copy(account, page.physical, entry) : page_allocate(account, 0, entry);
}

// A page that is there stays.
static status_t supply_page(struct folio *folio, uint64_t offset, struct folio *source, uint64_t source_offset) {
    uint64_t *entry;
    TRY(page_tree_make(&folio->pages, offset / PAGE_SIZE, folio->object.account, &entry));
    if (*entry != 0) {
        return OK;
    }
    TRY(folio_promise_page(folio));
    TRY(supply_promised(folio, source, source_offset, entry));
    *entry |= PAGE_NEW;
    return OK;
}

// Takes flags off the pages of a range that are there.
static void clear_flags(struct folio *folio, uint64_t offset, uint64_t size, uint64_t flags) {
    uint64_t *entry, at = offset / PAGE_SIZE, end = (offset + size) / PAGE_SIZE;
    while ((entry = page_tree_next(&folio->pages, &at, end)) != nullptr) {
        *entry &= ~flags;
        at++;
    }
}

static status_t find_pager(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size, struct pager **out_pager) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_PAGER, RIGHT_WRITE, &object));
    *out_pager = (struct pager *) object;
    const struct folio *folio = (*out_pager)->folio;
    if (folio == nullptr) {
        return ERR_CLOSED;
    }
    if (!is_whole_pages(offset, size) || !folio_holds(folio, offset, size)) {
        return ERR_INVALID_ARGUMENT;
    }
    return size <= RANGE_MAX ? OK : ERR_TOO_LARGE;
}

status_t sys_pager_supply(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size, handle_t source_handle,
                          uint64_t source_offset) {
    struct pager *pager;
    struct object *object;
    TRY(find_pager(thread, handle, offset, size, &pager));
    TRY(handle_get(&thread->process->handles, source_handle, OBJECT_FOLIO, RIGHT_READ, &object));
    struct folio *source = (struct folio *) object;
    if (source->kind == FOLIO_PAGES) { // they move
        TRY(handle_get(&thread->process->handles, source_handle, OBJECT_FOLIO, RIGHT_WRITE, &object));
    }
    if (!is_whole_pages(source_offset, size) || !folio_holds(source, source_offset, size)) {
        return ERR_INVALID_ARGUMENT;
    }
    if (source->kind == FOLIO_DEVICE || source->is_paged || source->origin != nullptr) {
        return ERR_NOT_SUPPORTED;
    }
    if (source->kind == FOLIO_PAGES) {
        vmspace_unmap_folio(source, source_offset, size);
    }
    uint64_t done = 0;
    status_t status;
    while (done < size && (status = supply_page(pager->folio, offset + done, source, source_offset + done)) == OK) {
        done += PAGE_SIZE;
    }
    clear_flags(pager->folio, offset, size, PAGE_NEW);
    pager->has_reclaimable = true;
    end_waits(pager, offset, size, OK);
    watch_signal(&pager->watch);
    return done > 0 ? OK : status; // what is ahead of what was asked for may be missing
}

status_t sys_pager_fail(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size) {
    struct pager *pager;
    TRY(find_pager(thread, handle, offset, size, &pager));
    end_waits(pager, offset, size, ERR_IO);
    return OK;
}

// --- Writing back ---

status_t sys_pager_write_begin(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size) {
    struct pager *pager;
    TRY(find_pager(thread, handle, offset, size, &pager));
    vmspace_unmap_folio(pager->folio, offset, size); // the next write is noticed
    uint64_t *entry, at = offset / PAGE_SIZE, end = (offset + size) / PAGE_SIZE;
    while ((entry = page_tree_next(&pager->folio->pages, &at, end)) != nullptr) {
        if ((*entry & PAGE_DIRTY) != 0) {
            pager->untold -= is_untold(entry);
            *entry = (*entry & ~(PAGE_DIRTY | PAGE_TOLD)) | PAGE_WRITING;
        }
        at++;
    }
    return OK;
}

status_t sys_pager_write_end(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size) {
    struct pager *pager;
    TRY(find_pager(thread, handle, offset, size, &pager));
    clear_flags(pager->folio, offset, size, PAGE_WRITING);
    pager->has_reclaimable = true;
    return OK;
}

// --- Creation ---

static struct pager *pager_allocate(struct account *account, nsec_t patience) {
    struct pager *pager = heap_allocate(sizeof(*pager), account);
    if (pager != nullptr) {
        object_init(&pager->object, OBJECT_PAGER, account);
        watch_init(&pager->watch, &pager->object);
        pager->patience = patience;
        list_init(&pager->waiters);
        if (pagers.next == nullptr) {
            list_init(&pagers);
        }
        list_push_back(&pagers, &pager->node);
    }
    return pager;
}

status_t sys_pager_create(struct thread *thread, uint64_t size, uint64_t patience, uint64_t *out_handles) {
    struct process *process = thread->process;
    if (size == 0 || patience == 0 || patience > PAGER_PATIENCE_MAX) {
        return ERR_INVALID_ARGUMENT;
    }
    struct folio *folio;
    TRY(folio_create(process->account, size, FOLIO_SPARSE, &folio));
    struct pager *pager = pager_allocate(process->account, patience);
    if (pager == nullptr) {
        object_release(&folio->object);
        return ERR_NO_MEMORY;
    }
    folio->pager = pager;
    folio->is_paged = true;
    pager->folio = folio;
    uint64_t pager_handle, folio_handle;
    enum : uint32_t { FOLIO_RIGHTS = RIGHT_READ | RIGHT_WRITE | RIGHT_TRANSFER | RIGHT_DUPLICATE };
    status_t status = process_add_handle(process, &pager->object, RIGHT_WRITE | RIGHT_WAIT, &pager_handle);
    if (status != OK) {
        object_release(&folio->object);
        return status;
    }
    status = process_add_handle(process, &folio->object, FOLIO_RIGHTS, &folio_handle);
    if (status != OK) {
        process_close_handle(process, (handle_t) pager_handle);
        return status;
    }
    *out_handles = pager_handle | folio_handle << 32;
    return OK;
}
