// What init calls in place of being handed things: it alone has no supervisor (`.is_init` of COMPONENT).
#pragma once

#include <starina/types.h>

void config_set(bytes_t text);   // lines key=value; copied
void archive_set(folio_t folio); // stays the caller's, and open
