// Records, from streams cut anywhere.
#include "record.c"

#include <test/test.h>

#include <stdlib.h>

static const uint8_t stream[] = {
    6, 0, 0, 1, 192, 0,   2,   7, 0x34, 0x12, // OPEN
    3, 0, 0, 2, 'a', 'b', 'c',                // DATA
    0, 0, 0, 2,                               // of no bytes
    1, 0, 0, 2, 'd',                          //
    0, 0, 0, 3,                               // END
};

// What was read: 'O' for a right OPEN, the data's bytes, 'E'; '!' for an error.
static size_t read_all(struct record_reader *reader, bytes_t bytes, char *out) {
    size_t count = 0;
    while (bytes.len > 0) {
        struct record record;
        size_t taken;
        status_t status = record_read(reader, bytes, &record, &taken);
        bytes = (bytes_t) {bytes.ptr + taken, bytes.len - taken};
        if (status == ERR_EMPTY) {
            continue;
        }
        if (status != OK) {
            out[count++] = '!';
            return count;
        }
        if (record.type == RECORD_DATA) {
            __builtin_memcpy(out + count, record.data.ptr, record.data.len);
            count += record.data.len;
            record_data_taken(reader, record.data.len);
            bytes = (bytes_t) {bytes.ptr + record.data.len, bytes.len - record.data.len};
        } else if (record.type == RECORD_OPEN) {
            out[count++] = record.address == 0x070200c0 && record.port == 0x1234 ? 'O' : '?';
        } else {
            out[count++] = 'E';
        }
    }
    return count;
}

TEST("records are the same wherever the stream is cut") {
    for (size_t first = 0; first <= sizeof(stream); first++) {
        for (size_t second = first; second <= sizeof(stream); second++) {
            struct record_reader reader = {};
            char out[64];
            size_t count = read_all(&reader, (bytes_t) {stream, first}, out);
            count += read_all(&reader, (bytes_t) {stream + first, second - first}, out + count);
            count += read_all(&reader, (bytes_t) {stream + second, sizeof(stream) - second}, out + count);
            EXPECT(count == 6 && __builtin_memcmp(out, "OabcdE", 6) == 0);
        }
    }
}

TEST("data of which only a part is taken goes on with the rest") {
    struct record_reader reader = {};
    struct record record;
    size_t taken;
    EXPECT_EQ(record_read(&reader, (bytes_t) {stream + 10, 7}, &record, &taken), OK);
    EXPECT(taken == 4 && record.data.len == 3);
    record_data_taken(&reader, 1);
    EXPECT_EQ(record_read(&reader, (bytes_t) {stream + 15, 2}, &record, &taken), OK);
    EXPECT(taken == 0 && record.data.len == 2 && record.data.ptr[0] == 'b');
}

TEST("what the host may not send is malformed") {
    const uint8_t wrong[][RECORD_HEADER_SIZE] = {{0, 0, 0, 0},   {8, 0, 0, 4}, {0, 0, 0, 5},
                                                 {0, 0, 0, 255}, {5, 0, 0, 1}, {1, 0, 0, 3}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct record_reader reader = {};
        struct record record;
        size_t taken;
        EXPECT_EQ(record_read(&reader, (bytes_t) {wrong[i], sizeof(wrong[i])}, &record, &taken), ERR_MALFORMED);
    }
}

TEST("random bytes are read to their end or refused, never beyond it") {
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        struct record_reader reader = {};
        uint8_t *bytes = malloc(64); // of its own: reading beyond it is found
        char out[64 + 16];
        for (size_t i = 0; i < 64; i++) {
            bytes[i] = (uint8_t) (rand() % 4 == 0 ? rand() : rand() % 4);
        }
        EXPECT(read_all(&reader, (bytes_t) {bytes, 64}, out) <= 64);
        free(bytes);
    }
}

TEST("a header that is written is read") {
    uint8_t header[RECORD_HEADER_SIZE];
    record_write_header(header, RECORD_DATA, 0x123456);
    EXPECT(header[0] == 0x56 && header[1] == 0x34 && header[2] == 0x12 && header[3] == RECORD_DATA);
}
