// A folio: memory that can be mapped and handed on. Its pages exist from its creation on and never move.
#pragma once

#include "arch.h"
#include "object.h"

struct process;

enum folio_kind : uint8_t {
    FOLIO_PAGES,  // any pages
    FOLIO_RANGE,  // physically contiguous pages
    FOLIO_IMAGE,  // part of the kernel's image: the archive; never freed
    FOLIO_DEVICE, // not RAM: the kernel itself never touches it
};

struct folio {
    struct object object;
    enum folio_kind kind;
    uint64_t size;  // bytes, whole pages
    paddr_t base;   // all but FOLIO_PAGES
    paddr_t *pages; // FOLIO_PAGES
};

// Makes a folio of zeroed pages. ERR_NO_MEMORY
status_t folio_create(struct account *account, uint64_t size, bool is_contiguous, struct folio **out_folio);

// Makes a folio of a physical range that already exists. ERR_NO_MEMORY
status_t folio_create_of_range(struct account *account, enum folio_kind kind, paddr_t base, uint64_t size,
                               struct folio **out_folio);

paddr_t folio_page(const struct folio *folio, uint64_t offset); // physical address of the page at an offset
uint64_t folio_run(const struct folio *folio, uint64_t offset,
                   uint64_t size); // how many bytes from there are contiguous, at most size
void folio_read(const struct folio *folio, uint64_t offset, void *to, size_t size); // the range must lie inside; not of devices
void folio_write(struct folio *folio, uint64_t offset, const void *from, size_t size);

// Is [offset, offset + size) inside?
static inline bool folio_holds(const struct folio *folio, uint64_t offset, uint64_t size) {
    return offset <= folio->size && size <= folio->size - offset;
}

// A device may write to a folio whose address a process has learned: it is kept until the process's last handle is
// closed, by when whoever supervises the process has stopped its devices.
void folio_unpin_all(struct process *process);

void folio_destroy(struct object *object);
