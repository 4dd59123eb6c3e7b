// The machine's one connection as a `stream`: records on the port on one side, the client's channel on the other.
#pragma once

#include "port.h"
#include "record.h"

#include <lending/lending.h>

// It begins: makes the stream's channel, whose client may write what the lender has lent. ERR_STATE: there was one already
status_t connection_begin(struct port *port, const struct client *lender, channel_t *out_client);

void connection_undo(void);                          // the client has not got it
void connection_disown(const struct client *lender); // it has left

// The host's bytes: returns how many the client took. Fewer than all: its queue is full.
size_t connection_deliver(bytes_t bytes);
void connection_finish(void); // the host will send no more

// Goes on with what waits for a free buffer.
void connection_send_more(void);

extern uint64_t connection_copied; // bytes of data, into the port's buffers

bool connection_has_begun(void);
bool connection_is_blocked(void); // the client's queue is full
bool connection_wants_room(void); // something waits for a free buffer, or for the last one

void connections_on_change(void (*run)(void)); // called when the client wrote, read or left
