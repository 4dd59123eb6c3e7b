// This machine's state as JSON, for /api/status: collected from init without waiting, for all who ask meanwhile.
#pragma once

#include <starina/component.h>

status_t machine_state_init(void); // again after init's service came back

// Calls `done` once, maybe at once, with a folio that holds the text. The folio is lent for the call.
void machine_state_collect(void (*done)(status_t status, folio_t folio, size_t size));
