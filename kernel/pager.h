// A pager: how a component supplies the pages of a folio when they are touched, and hears of those that were written.
//
// Whoever touches a page that is not there waits, and the pager is told (EVENT_PAGE_NEEDED). Pages that it can supply again
// are reclaimed when memory is short. Nothing that it does or fails to do concerns anybody but those who use its folio.
#pragma once

#include "folio.h"
#include "poll.h"

struct thread;

struct pager {
    struct object object;
    struct watch watch;
    struct list node;     // in the list of all
    struct folio *folio;  // whose pages it supplies. nullptr: nobody uses it any more
    struct list waiters;  // threads that wait for pages of it
    nsec_t patience;      // how long they do
    uint64_t untold;      // pages that are dirty without its knowing
    uint64_t told_up_to;  // where the search for those goes on
    uint64_t reclaim_at;  // where the search for pages to reclaim goes on
    bool has_reclaimable; // it may find some
    bool is_dirtys_turn;  // it was told of a needed page last
    bool is_close_told;   // EVENT_CLOSED was delivered
};

// The running thread waits for a page of a folio; `size`: how much it wants from there on. In a system call until a deadline
// at most, of which the value is how much has come; in a fault, to touch it once more. Returns STATUS_BLOCKED.
status_t pager_wait(struct thread *thread, struct folio *folio, uint64_t offset, uint64_t size, nsec_t deadline);
void pager_end_wait(struct thread *thread, status_t status); // an error in a fault ends its process
void pager_forget_waiter(struct thread *thread);             // it is killed

void pager_page_written(struct pager *pager, uint64_t *entry); // it is the folio's own, and is about to be written
void pager_folio_gone(struct pager *pager);

void pager_destroy(struct object *object);
bool pager_collect(struct pager *pager, struct thread *thread);
bool pager_has_news(const struct pager *pager);
