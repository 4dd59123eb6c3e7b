// test-with: tools/gateway/record.c
#include "record.h"

#include <test/test.h>

#include <string.h>

static struct record_parser parser;
static uint8_t bytes[64];
static struct buffer input = {.bytes = bytes};

static void give(const void *what, size_t length) {
    memcpy(bytes, what, length);
    input.begin = 0;
    input.end = length;
}

static void give_header(enum record_type type, size_t length) {
    record_write_header(bytes, type, length);
    input.begin = 0;
    input.end = RECORD_HEADER_SIZE;
}

static void be_ready(void) {
    parser = (struct record_parser) {.was_ready = true};
}

TEST("a record begins with its type above its length, little endian") {
    record_write_header(bytes, RECORD_DATA, 0x012345);
    EXPECT(memcmp(bytes, "\x45\x23\x01\x02", RECORD_HEADER_SIZE) == 0);
}

TEST("OPEN says the address in network order and the port in little endian") {
    uint32_t address;
    memcpy(&address, "\x7f\x00\x00\x01", sizeof(address));
    record_write_open(bytes, address, 0x1f90);
    EXPECT(memcmp(bytes, "\x7f\x00\x00\x01\x90\x1f", RECORD_OPEN_SIZE) == 0);
}

TEST("READY is understood when it comes byte by byte") {
    static const uint8_t READY[] = {8, 0, 0, 4, 0x15, 0xcd, 0x5b, 7, 0, 0, 0, 0};
    for (size_t i = 0; i < sizeof(READY) - 1; i++) {
        give(&READY[i], 1);
        EXPECT_EQ(record_next(&parser, &input), RECORD_NEEDS_MORE);
    }
    give(&READY[sizeof(READY) - 1], 1);
    EXPECT_EQ(record_next(&parser, &input), RECORD_IS_READY);
    EXPECT_EQ(parser.boot_ns, 123456789);
}

TEST("data stays in the buffer until it is taken, also in parts") {
    be_ready();
    give("\x05\x00\x00\x02hello\x00\x00\x00\x03", 13);
    EXPECT_EQ(record_next(&parser, &input), RECORD_HAS_DATA);
    EXPECT_EQ(record_data_length(&parser, &input), 5);
    EXPECT(memcmp(input.bytes + input.begin, "hello", 5) == 0);
    record_take_data(&parser, &input, 3);
    EXPECT_EQ(record_next(&parser, &input), RECORD_HAS_DATA);
    EXPECT_EQ(record_data_length(&parser, &input), 2);
    record_take_data(&parser, &input, 2);
    EXPECT_EQ(record_next(&parser, &input), RECORD_HAS_ENDED);
    EXPECT_EQ(buffer_length(&input), 0);
}

TEST("data may be longer than the buffer") {
    be_ready();
    give_header(RECORD_DATA, 100);
    EXPECT_EQ(record_next(&parser, &input), RECORD_NEEDS_MORE);
    give("0123456789012345678901234567890123456789012345678901234567890123", 64);
    EXPECT_EQ(record_data_length(&parser, &input), 64);
    record_take_data(&parser, &input, 64);
    give("0123456789012345678901234567890123456789012345678901234567890123", 64);
    EXPECT_EQ(record_data_length(&parser, &input), 36);
}

TEST("data of no length is nothing") {
    be_ready();
    give("\x00\x00\x00\x02\x00\x00\x00\x05", 8);
    EXPECT_EQ(record_next(&parser, &input), RECORD_IS_ABORTED);
}

TEST("nothing comes before READY") {
    static const enum record_type TYPES[] = {RECORD_DATA, RECORD_END, RECORD_ABORT};
    for (size_t i = 0; i < 3; i++) {
        parser = (struct record_parser) {};
        give_header(TYPES[i], 0);
        EXPECT_EQ(record_next(&parser, &input), RECORD_IS_BROKEN);
    }
}

TEST("READY comes once and is eight bytes long") {
    be_ready();
    give_header(RECORD_READY, RECORD_READY_SIZE);
    EXPECT_EQ(record_next(&parser, &input), RECORD_IS_BROKEN);
    for (size_t length = 0; length < 12; length++) {
        parser = (struct record_parser) {};
        give_header(RECORD_READY, length);
        EXPECT_EQ(record_next(&parser, &input), length == RECORD_READY_SIZE ? RECORD_NEEDS_MORE : RECORD_IS_BROKEN);
    }
}

TEST("nothing comes after END") {
    for (unsigned type = 0; type < 256; type++) {
        parser = (struct record_parser) {.was_ready = true, .has_ended = true};
        give_header((enum record_type) type, 0);
        EXPECT_EQ(record_next(&parser, &input), RECORD_IS_BROKEN);
    }
}

TEST("END and ABORT are empty") {
    static const enum record_type TYPES[] = {RECORD_END, RECORD_ABORT};
    for (size_t i = 0; i < 2; i++) {
        be_ready();
        give_header(TYPES[i], 1);
        EXPECT_EQ(record_next(&parser, &input), RECORD_IS_BROKEN);
    }
}

TEST("types that are unknown, or the gateway's own, are refused") {
    for (unsigned type = 0; type < 256; type++) {
        if (type >= RECORD_DATA && type <= RECORD_ABORT && type != RECORD_READY) {
            continue;
        }
        be_ready();
        give_header((enum record_type) type, 0);
        EXPECT_EQ(record_next(&parser, &input), RECORD_IS_BROKEN);
    }
}

static uint32_t state = 1;

static uint8_t next_random(void) {
    state = state * 1664525 + 1013904223;
    return (uint8_t) (state >> 24);
}

// Types are mostly legal ones, so that it gets somewhere.
static void give_random(size_t length) {
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = next_random();
        bytes[i] = i % 4 == 3 ? byte % 6 : i % 4 == 0 ? byte % 16 : byte % 64 == 0 ? byte : 0;
    }
    input.begin = 0;
    input.end = length;
}

TEST("whatever comes is used up or refused") {
    size_t events[RECORD_IS_BROKEN + 1] = {};
    for (int i = 0; i < 100000; i++) {
        parser = (struct record_parser) {.was_ready = next_random() % 2 == 0};
        give_random(next_random() % sizeof(bytes));
        enum record_event event = RECORD_HAS_DATA;
        for (size_t step = 0; event == RECORD_HAS_DATA || event == RECORD_IS_READY; step++) {
            EXPECT(step <= sizeof(bytes));
            event = record_next(&parser, &input);
            events[event]++;
            size_t length = record_data_length(&parser, &input);
            EXPECT(length <= buffer_length(&input) && (length > 0) == (event == RECORD_HAS_DATA));
            if (length > 0) {
                record_take_data(&parser, &input, length);
            }
        }
        EXPECT(event != RECORD_NEEDS_MORE || buffer_length(&input) == 0);
    }
    for (size_t i = 0; i <= RECORD_IS_BROKEN; i++) {
        EXPECT(events[i] > 0);
    }
}
