// Reads and writes records.
#include "record.h"

static uint32_t header_of(const struct record_reader *reader) {
    const uint8_t *bytes = reader->bytes;
    return bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 | (uint32_t) bytes[3] << 24;
}

void record_write_header(uint8_t header[static RECORD_HEADER_SIZE], enum record_type type, size_t length) {
    header[0] = (uint8_t) length;
    header[1] = (uint8_t) (length >> 8);
    header[2] = (uint8_t) (length >> 16);
    header[3] = type;
}

// Takes bytes until there are `wanted`.
static bool gather(struct record_reader *reader, size_t wanted, bytes_t bytes, size_t *taken) {
    while (reader->count < wanted && *taken < bytes.len) {
        reader->bytes[reader->count++] = bytes.ptr[(*taken)++];
    }
    return reader->count >= wanted;
}

static status_t finish_open(struct record_reader *reader, struct record *out_record) {
    const uint8_t *payload = reader->bytes + RECORD_HEADER_SIZE;
    out_record->address = payload[0] | (uint32_t) payload[1] << 8 | (uint32_t) payload[2] << 16 | (uint32_t) payload[3] << 24;
    out_record->port = (uint16_t) (payload[4] | payload[5] << 8);
    reader->count = 0;
    return OK;
}

static status_t read_data(struct record_reader *reader, bytes_t bytes, struct record *out_record) {
    size_t size = bytes.len < reader->data_left ? bytes.len : reader->data_left;
    *out_record = (struct record) {.type = RECORD_DATA, .data = {bytes.ptr, size}};
    return size > 0 ? OK : ERR_EMPTY;
}

status_t record_read(struct record_reader *reader, bytes_t bytes, struct record *out_record, size_t *out_taken) {
    *out_taken = 0;
    if (reader->data_left > 0) {
        return read_data(reader, bytes, out_record);
    }
    if (!gather(reader, RECORD_HEADER_SIZE, bytes, out_taken)) {
        return ERR_EMPTY;
    }
    uint32_t header = header_of(reader);
    uint32_t length = header & RECORD_LENGTH_MAX;
    *out_record = (struct record) {.type = (enum record_type)(header >> 24)};
    switch (out_record->type) {
    case RECORD_OPEN:
        if (length != RECORD_OPEN_SIZE) {
            return ERR_MALFORMED;
        }
        return gather(reader, RECORD_HEADER_SIZE + RECORD_OPEN_SIZE, bytes, out_taken) ? finish_open(reader, out_record)
                                                                                       : ERR_EMPTY;
    case RECORD_DATA:
        reader->count = 0;
        reader->data_left = length;
        return read_data(reader, (bytes_t) {bytes.ptr + *out_taken, bytes.len - *out_taken}, out_record);
    case RECORD_END:
        reader->count = 0;
        return length == 0 ? OK : ERR_MALFORMED;
    default:
        return ERR_MALFORMED;
    }
}

void record_data_taken(struct record_reader *reader, size_t count) {
    reader->data_left -= (uint32_t) count;
}
