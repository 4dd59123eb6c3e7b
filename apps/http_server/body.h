// What bodies are made of. The archive's files and the test bodies are lent to the network once and then only named.
#pragma once

#include <starina/component.h>

enum body : uint8_t {
    BODY_NONE,
    BODY_FILE, // `offset` is that in the archive
    BODY_TEST,
    BODY_KINDS,
    BODY_OWN = BODY_KINDS, // a folio of the response's own
};

// Begins to lend; calls that are begun afterwards are answered later. If lending fails, the component ends.
status_t bodies_lend(void);

// The name to write by, and where the lent range begins.
uint32_t body_lent(enum body body);
uint64_t body_start(enum body body);
