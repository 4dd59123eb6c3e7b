// Acknowledgements that a later one makes superfluous.
#pragma once

#include <starina/types.h>

// Is this Ethernet frame a TCP segment that acknowledges and does nothing else?
bool ack_is_plain(const uint8_t *frame, size_t length);

// Does a later one say all that an earlier one does? Both are plain.
bool ack_is_superseded(const uint8_t *earlier, const uint8_t *later);
