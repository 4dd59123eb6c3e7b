// tcpip's clients for its tests: what a component would do with its sockets.
#pragma once

#include "peer.h"

extern const char static_config[];
extern uint8_t bytes[256 * 1024], received[256 * 1024]; // to send, filled by set_up; and what came

extern channel_t lender;    // whose connections set_up makes, and who has lent `bytes`
extern uint32_t lent_bytes; // under this name

channel_t listen_on(channel_t client, const char *uri); // HANDLE_INVALID: it failed. For udp: too
bool accept_stream(channel_t listener, channel_t *out_stream);

// A started component, a listener on port 80, and one connection to it.
bool set_up(struct remote *remote, channel_t *out_stream);

bool receive_kind(channel_t channel, uint32_t kind);                    // the next message is of this kind
size_t receive_stream(channel_t stream, uint8_t *out, size_t capacity); // all data events that wait
void send_message(channel_t channel, const struct message *message);
void write_bytes(channel_t stream, const uint8_t *data, size_t size);
void write_lent(channel_t stream, uint64_t offset, uint64_t size); // of `bytes`, which set_up has lent
status_t lend(channel_t client, uint64_t folio_size, uint64_t offset, uint64_t size, uint32_t *out_name); // with `bytes`
void unlend(channel_t client, uint32_t name);
void write_named(channel_t stream, uint32_t name, uint32_t offset, uint32_t size, bytes_t head);
void finish(channel_t stream);
void ask_drained(channel_t stream);

bool are_equal(const uint8_t *a, const uint8_t *b, size_t size);
