// Loads a component: a static position-independent ELF file in a folio.
#pragma once

#include "vmspace.h"

// Maps the file's segments and relocates them. Read-only segments are the file's own pages; writable ones are copied.
// ERR_MALFORMED: not such a file; ERR_NO_MEMORY. On failure some segments may stay mapped: the space is to be ended.
status_t elf_load(struct vmspace *space, struct folio *image, uint64_t offset, uint64_t size, vaddr_t *out_base,
                  vaddr_t *out_entry);
