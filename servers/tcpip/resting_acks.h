// Acknowledgements that nobody waits for: the next segment of their connection says the same again.
#pragma once

#include <starina/types.h>

struct tcp_hdr;
struct tcp_stream;

enum { RESTING_ACK_SIZE = 54 }; // Ethernet, IP and TCP without options

// In each stream.
struct resting_ack {
    bool is_there;
    bool is_correct; // the device vouches for its checksum
    uint8_t frame[RESTING_ACK_SIZE];
};

// Keeps a copy of a frame of at least that size if it is a plain one (acks.h) that can wait. False: lwIP has to see it
bool resting_ack_keep(const uint8_t *frame, bool is_correct);

// Another segment of its connection is about to be seen. The stream may be gone after that.
void resting_ack_overtaken(struct tcp_stream *stream, const struct tcp_hdr *later, bool has_data);

void resting_ack_release(struct tcp_stream *stream); // lwIP sees it now, if there is one
void resting_acks_release(void);                     // all
void resting_ack_drop(struct tcp_stream *stream);
