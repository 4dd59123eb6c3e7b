// Records: how a gateway on the host and this machine share the port's byte stream (docs/gateway.md).
//
// A record is a 32-bit little-endian word, type << 24 | length, and so many bytes. The gateway is trusted with the
// connection that it hands over, not to keep to this: what is no record ends the machine's link.
#pragma once

#include <starina/types.h>

enum record_type : uint8_t {
    RECORD_OPEN = 1,  // from the host: a connection begins. 4 bytes of IPv4 address, 2 of the port, little endian
    RECORD_DATA = 2,  // both ways
    RECORD_END = 3,   // both ways: no more data will come
    RECORD_READY = 4, // to the host: somebody listens. 8 bytes: ns since the machine's first instruction
    RECORD_ABORT = 5, // to the host: the connection is to be reset
};

enum : size_t { RECORD_HEADER_SIZE = 4, RECORD_OPEN_SIZE = 6, RECORD_LENGTH_MAX = 0xffffff };

// Where the reader is in the stream.
struct record_reader {
    uint8_t bytes[RECORD_HEADER_SIZE + RECORD_OPEN_SIZE]; // of the header, and of an OPEN
    size_t count;
    uint32_t data_left; // of a DATA record
};

struct record {
    enum record_type type;
    bytes_t data;     // DATA: as much of it as there is, lent; the reader moves on by record_data_taken
    uint32_t address; // OPEN: network byte order
    uint16_t port;    // OPEN
};

// Reads from the front of `bytes` and tells how many belong to what was read. ERR_EMPTY: no whole record yet, all were
// taken. ERR_MALFORMED: not a record that the host may send. DATA's bytes are not among those taken.
status_t record_read(struct record_reader *reader, bytes_t bytes, struct record *out_record, size_t *out_taken);
void record_data_taken(struct record_reader *reader, size_t count);

void record_write_header(uint8_t header[static RECORD_HEADER_SIZE], enum record_type type, size_t length);
