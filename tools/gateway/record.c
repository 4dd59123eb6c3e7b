// Writes records for a VM and reads a VM's. Trusts nothing that a VM sends.
#include "record.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little endian");

enum { LENGTH_BITS = 24 };

void record_write_header(uint8_t *to, enum record_type type, size_t length) {
    uint32_t word = (uint32_t) type << LENGTH_BITS | (uint32_t) length;
    __builtin_memcpy(to, &word, sizeof(word));
}

void record_write_open(uint8_t *to, uint32_t address_big_endian, uint16_t port) {
    __builtin_memcpy(to, &address_big_endian, sizeof(address_big_endian));
    __builtin_memcpy(to + sizeof(address_big_endian), &port, sizeof(port));
}

// True once `count` bytes of a header or of READY are together.
static bool gather(struct record_parser *parser, struct buffer *buffer, size_t count) {
    while (parser->gathered_length < count && buffer_length(buffer) > 0) {
        parser->gathered[parser->gathered_length++] = buffer->bytes[buffer->begin];
        buffer_take(buffer, 1);
    }
    if (parser->gathered_length < count) {
        return false;
    }
    parser->gathered_length = 0;
    return true;
}

static bool is_allowed(const struct record_parser *parser) {
    if (parser->has_ended || parser->was_ready == (parser->type == RECORD_READY)) {
        return false;
    }
    switch (parser->type) {
    case RECORD_READY:
        return parser->left == RECORD_READY_SIZE;
    case RECORD_DATA:
        return true;
    case RECORD_END:
    case RECORD_ABORT:
        return parser->left == 0;
    default:
        return false;
    }
}

static void read_header(struct record_parser *parser) {
    uint32_t word;
    __builtin_memcpy(&word, parser->gathered, sizeof(word));
    parser->type = (enum record_type)(word >> LENGTH_BITS);
    parser->left = word & ((1u << LENGTH_BITS) - 1);
}

static enum record_event end_ready(struct record_parser *parser) {
    __builtin_memcpy(&parser->boot_ns, parser->gathered, sizeof(parser->boot_ns));
    parser->was_ready = true;
    parser->is_in_payload = false;
    return RECORD_IS_READY;
}

static enum record_event continue_payload(struct record_parser *parser, struct buffer *buffer) {
    if (parser->type == RECORD_READY) {
        return gather(parser, buffer, RECORD_READY_SIZE) ? end_ready(parser) : RECORD_NEEDS_MORE;
    }
    return buffer_length(buffer) > 0 ? RECORD_HAS_DATA : RECORD_NEEDS_MORE;
}

enum record_event record_next(struct record_parser *parser, struct buffer *buffer) {
    while (!parser->is_in_payload) {
        if (!gather(parser, buffer, RECORD_HEADER_SIZE)) {
            return RECORD_NEEDS_MORE;
        }
        read_header(parser);
        if (!is_allowed(parser)) {
            return RECORD_IS_BROKEN;
        }
        if (parser->type == RECORD_END) {
            parser->has_ended = true;
            return RECORD_HAS_ENDED;
        }
        if (parser->type == RECORD_ABORT) {
            return RECORD_IS_ABORTED;
        }
        parser->is_in_payload = parser->left > 0;
    }
    return continue_payload(parser, buffer);
}

size_t record_data_length(const struct record_parser *parser, const struct buffer *buffer) {
    if (!parser->is_in_payload || parser->type != RECORD_DATA) {
        return 0;
    }
    size_t length = buffer_length(buffer);
    return length < parser->left ? length : parser->left;
}

void record_take_data(struct record_parser *parser, struct buffer *buffer, size_t count) {
    buffer_take(buffer, count);
    parser->left -= (uint32_t) count;
    parser->is_in_payload = parser->left > 0;
}
