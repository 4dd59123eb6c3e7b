// Conditional requests and ranges (RFC 9110, sections 13 and 14).
#pragma once

#include "request.h"

enum { ETAG_SIZE = 20 }; // with quotes and NUL

// What a request can be conditional on.
struct validators {
    char etag[ETAG_SIZE];
    uint64_t mtime; // seconds since 1970
};

struct validators validators_of(uint64_t etag, uint64_t mtime);

// The status that the conditions ask for instead of the content: 304, 412, or 0 for none.
unsigned conditions_status(const struct request *request, const struct validators *validators);

// Which part is asked for. Returns 206 with the part, 416, or 200 for all of it.
unsigned conditions_range(const struct request *request, const struct validators *validators, uint64_t size,
                          uint64_t *out_first, uint64_t *out_length);
