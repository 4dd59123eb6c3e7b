// An address space of a component, as a sorted list of what is mapped where.
#pragma once

#include "folio.h"
#include "isolation/isolation.h"
#include "list.h"

struct thread;

struct vmspace {
    bool is_user;
    bool is_dead;          // its process is gone: CPUs let go of it
    struct list dead_node; // see scheduler.c
    const struct isolation *isolation;
    struct arch_vmspace own;     // user spaces
    struct arch_vmspace *tables; // where it maps: `own` or the kernel's
    vaddr_t base, end;           // all its mappings lie in here
    struct list mappings;        // by address
    struct account *account;
};

// ERR_NO_MEMORY
status_t vmspace_create(const struct isolation *isolation, struct account *account, struct vmspace **out_space);
void vmspace_destroy(struct vmspace *space); // its process is gone and no CPU has it loaded: scheduler_end_space

// Is [address, address + size) within the component's part of the address space? Not whether it is mapped.
bool vmspace_covers(const struct vmspace *space, vaddr_t address, uint64_t size);

// Finds room for `size` bytes with an unmapped page before and behind. ERR_NO_MEMORY
status_t vmspace_find_room(const struct vmspace *space, uint64_t size, vaddr_t *out_address);

// Maps whole pages of a folio at an address where there is room. Those that are not there yet come when they are touched. The mapping keeps the folio. ERR_NO_MEMORY
status_t vmspace_map_at(struct vmspace *space, vaddr_t address, struct folio *folio, uint64_t offset, uint64_t size,
                        uint32_t map_flags);

// The same, where the kernel finds room. ERR_NO_MEMORY
status_t vmspace_map(struct vmspace *space, struct folio *folio, uint64_t offset, uint64_t size, uint32_t map_flags,
                     vaddr_t *out_address);

// Removes a mapping whole. ERR_NOT_FOUND: none starts there
status_t vmspace_unmap(struct vmspace *space, vaddr_t address);

// Takes pages of a folio out of all mappings of it: who touches them again is given what is there then.
void vmspace_unmap_folio(const struct folio *folio, uint64_t offset, uint64_t size);

// The running thread has touched an address in a way (enum map_flags) for which it is not mapped. OK: now it is, or a
// part of a large page was prepared: it touches it again.
// STATUS_BLOCKED: the thread waits for a pager. ERR_BAD_ADDRESS, ERR_NO_MEMORY; ERR_CLOSED: the pager is gone
status_t vmspace_touch(struct thread *thread, vaddr_t address, uint32_t access);

// The same of a whole range, without waiting. ERR_BAD_ADDRESS: for whatever reason
status_t vmspace_touch_range(const struct vmspace *space, vaddr_t address, uint64_t size, uint32_t access);

// The range of the mapping that holds an address, for backtraces. False: none
bool vmspace_mapping_of(const struct vmspace *space, vaddr_t address, vaddr_t *out_low, vaddr_t *out_high);
