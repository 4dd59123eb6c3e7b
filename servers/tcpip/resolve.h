// Host names to IPv4 addresses.
#pragma once

#include <starina/types.h>

// `address` in network byte order, if the status is OK.
typedef void (*resolved_t)(void *context, status_t status, uint32_t address);

// Looks a name up; `resolved` is called once, maybe at once. ERR_INVALID_ARGUMENT, ERR_UNREACHABLE (no server known),
// ERR_LIMIT (too many lookups): it is not called
status_t resolve_begin(bytes_t name, resolved_t resolved, void *context);

void resolve_cancel(const void *context); // `resolved` is not called any more with it

bool resolve_is_waiting(void);
bool resolve_was_used(void); // only then can there be names to grow old

// "ADDRESS" or "ADDRESS:PORT", to be asked whatever DHCP says. ERR_INVALID_ARGUMENT
status_t resolve_set_server(bytes_t endpoint);
uint32_t resolve_server(void); // network byte order; 0: none
