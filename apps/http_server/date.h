// HTTP dates (RFC 9110, section 5.6.7).
#pragma once

#include <starina/component.h>

enum { DATE_SIZE = 30 }; // with NUL

void date_format(char out[DATE_SIZE], uint64_t unix_seconds); // "Sun, 06 Nov 1994 08:49:37 GMT"

// Reads the preferred format and the two obsolete ones. ERR_MALFORMED
status_t date_parse(bytes_t text, uint64_t *out_unix_seconds);
