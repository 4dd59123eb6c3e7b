// How fields lie in a message; used by the headers that tools/interfacegen.py makes.
//
// Numbers first, in order, little endian, packed; then each byte string as u16 length and bytes; handles in the header.
// The interface compiler has checked that the largest message fits, so that writing needs no check but a string's limit.
// Reading trusts nothing: the received message is a peer's.
#pragma once

#include <starina/message.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied as they are");

struct wire_writer {
    struct message *message;
    uint8_t *at;
};

static inline struct wire_writer wire_write(struct message *message, uint32_t kind) {
    message->header.kind = kind;
    message->header.transaction = 0;
    message->header.status = OK;
    message->header.handle_count = 0;
    message->header.length = 0;
    return (struct wire_writer) {message, message->data};
}

static inline status_t wire_written(struct wire_writer *writer) {
    writer->message->header.length = (uint16_t) (writer->at - writer->message->data);
    return OK;
}

#define WIRE_DEFINE_PUT(suffix, type)                                              \
    static inline void wire_put_##suffix(struct wire_writer *writer, type value) { \
        __builtin_memcpy(writer->at, &value, sizeof(value));                       \
        writer->at += sizeof(value);                                               \
    }
WIRE_DEFINE_PUT(u8, uint8_t)
WIRE_DEFINE_PUT(u16, uint16_t)
WIRE_DEFINE_PUT(u32, uint32_t)
WIRE_DEFINE_PUT(u64, uint64_t)
WIRE_DEFINE_PUT(i32, int32_t)
WIRE_DEFINE_PUT(i64, int64_t)
WIRE_DEFINE_PUT(bool, bool)

static inline void wire_put_handle(struct wire_writer *writer, handle_t handle) {
    writer->message->header.handles[writer->message->header.handle_count++] = handle;
}

static inline status_t wire_put_bytes(struct wire_writer *writer, bytes_t bytes, size_t max) {
    if (bytes.len > max) {
        return ERR_TOO_LARGE;
    }
    wire_put_u16(writer, (uint16_t) bytes.len);
    if (bytes.len != 0) {
        // An answer may hand back bytes that another one left in this very message.
        TRY(mem_copy(writer->at, bytes.len, bytes.ptr, bytes.len));
        writer->at += bytes.len;
    }
    return OK;
}

struct wire_reader {
    const uint8_t *at;
    const uint8_t *end;
    const handle_t *handle;
};

// Checks that the message has room for its `fixed` bytes, and exactly so many handles.
static inline status_t wire_read(struct wire_reader *reader, const struct message *message, size_t fixed, size_t handles) {
    const struct message_header *header = &message->header;
    if (header->length < fixed || header->length > MESSAGE_DATA_MAX || header->handle_count != handles) {
        return ERR_MALFORMED;
    }
    for (size_t i = 0; i < handles; i++) {
        if (header->handles[i] == HANDLE_INVALID) {
            return ERR_NO_HANDLES; // our own table was full
        }
    }
    *reader = (struct wire_reader) {message->data, message->data + header->length, header->handles};
    return OK;
}

// Numbers are within the fixed part that wire_read checked.
#define WIRE_DEFINE_GET(suffix, type)                                  \
    static inline type wire_get_##suffix(struct wire_reader *reader) { \
        type value;                                                    \
        __builtin_memcpy(&value, reader->at, sizeof(value));           \
        reader->at += sizeof(value);                                   \
        return value;                                                  \
    }
WIRE_DEFINE_GET(u8, uint8_t)
WIRE_DEFINE_GET(u16, uint16_t)
WIRE_DEFINE_GET(u32, uint32_t)
WIRE_DEFINE_GET(u64, uint64_t)
WIRE_DEFINE_GET(i32, int32_t)
WIRE_DEFINE_GET(i64, int64_t)

static inline status_t wire_get_bool(struct wire_reader *reader, bool *out_value) {
    uint8_t byte = wire_get_u8(reader);
    *out_value = byte == 1;
    return byte <= 1 ? OK : ERR_MALFORMED;
}

static inline handle_t wire_get_handle(struct wire_reader *reader) {
    return *reader->handle++;
}

static inline status_t wire_get_bytes(struct wire_reader *reader, size_t max, bytes_t *out_bytes) {
    if ((size_t) (reader->end - reader->at) < sizeof(uint16_t)) {
        return ERR_MALFORMED; // an earlier string took the room of this one's length
    }
    size_t length = wire_get_u16(reader);
    if (length > max || length > (size_t) (reader->end - reader->at)) {
        return ERR_MALFORMED;
    }
    *out_bytes = (bytes_t) {reader->at, length};
    reader->at += length;
    return OK;
}

// Bytes left over are an error too.
static inline status_t wire_finish(const struct wire_reader *reader) {
    return reader->at == reader->end ? OK : ERR_MALFORMED;
}
