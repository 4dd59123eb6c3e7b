// Records, in which the gateway and a VM talk over the link: a little-endian word `type << 24 | length`, then that many bytes.
#pragma once

#include "buffer.h"

enum record_type : uint8_t {
    RECORD_OPEN = 1,  // to the VM: a visitor is here; its address and port
    RECORD_DATA = 2,  // both ways
    RECORD_END = 3,   // both ways: no more DATA follows
    RECORD_READY = 4, // from the VM: it serves; nanoseconds that its boot took
    RECORD_ABORT = 5, // from the VM: the visitor's connection shall be reset
};

enum { RECORD_HEADER_SIZE = 4, RECORD_OPEN_SIZE = 6, RECORD_READY_SIZE = 8 };

void record_write_header(uint8_t *to, enum record_type type, size_t length);
void record_write_open(uint8_t *to, uint32_t address_big_endian, uint16_t port);

// What the VM sent, as far as it was read. Begins as all zeros.
struct record_parser {
    uint8_t gathered[RECORD_READY_SIZE]; // of a header, or of what READY says
    uint8_t gathered_length;
    bool is_in_payload;
    bool was_ready;
    bool has_ended;
    enum record_type type;
    uint32_t left; // of the payload
    uint64_t boot_ns;
};

enum record_event {
    RECORD_NEEDS_MORE, // the buffer is used up
    RECORD_IS_READY,   // boot_ns says how long it took
    RECORD_HAS_DATA,   // record_data() is not empty
    RECORD_HAS_ENDED,
    RECORD_IS_ABORTED,
    RECORD_IS_BROKEN, // the VM breaks the rules: READY once and first, nothing behind END, known types and lengths
};

// Takes headers and control records from the buffer. DATA stays there until record_take_data().
enum record_event record_next(struct record_parser *parser, struct buffer *buffer);
size_t record_data_length(const struct record_parser *parser, const struct buffer *buffer); // at the buffer's begin
void record_take_data(struct record_parser *parser, struct buffer *buffer, size_t count);
