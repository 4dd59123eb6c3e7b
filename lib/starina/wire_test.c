// Messages as the generated headers encode and decode them.
#include <probe.h>
#include <test/test.h>

static const struct probe_every sample = {
    .byte = 0xfe,
    .flag = true,
    .short_number = 0xfedc,
    .number = 0xfedcba98,
    .long_number = 0xfedcba9876543210,
    .negative = -2,
    .long_negative = INT64_MIN,
    .text = BYTES("0123456789abcdef"),
    .more = BYTES(""),
    .folio = {5},
    .channel = {6},
};
enum { FIXED_SIZE = 28, TEXT_AT = 30 };

TEST("every type comes back as it was") {
    struct message message;
    struct probe_every out;
    EXPECT_EQ(probe_every_encode(&sample, &message), OK);
    EXPECT_EQ(message.header.kind, PROBE_EVERY);
    EXPECT_EQ(message.header.length, FIXED_SIZE + 2 + 16 + 2);
    EXPECT_EQ(probe_every_decode(&message, &out), OK);
    EXPECT(out.byte == sample.byte && out.flag && out.short_number == sample.short_number);
    EXPECT(out.number == sample.number && out.long_number == sample.long_number);
    EXPECT(out.negative == sample.negative && out.long_negative == sample.long_negative);
    EXPECT(bytes_equal(out.text, sample.text) && out.more.len == 0);
    EXPECT(out.folio.handle == 5 && out.channel.handle == 6);
}

TEST("a string over its limit is not encoded") {
    struct message message;
    struct probe_every long_text = sample;
    long_text.text = BYTES("0123456789abcdefg");
    EXPECT_EQ(probe_every_encode(&long_text, &message), ERR_TOO_LARGE);
}

TEST("a message that is cut anywhere, or has bytes left over, is malformed") {
    struct message message;
    struct probe_every out;
    EXPECT_EQ(probe_every_encode(&sample, &message), OK);
    uint16_t whole = message.header.length;
    for (message.header.length = 0; message.header.length < whole; message.header.length++) {
        EXPECT_EQ(probe_every_decode(&message, &out), ERR_MALFORMED);
    }
    message.header.length = whole + 1;
    EXPECT_EQ(probe_every_decode(&message, &out), ERR_MALFORMED);
    message.header.length = UINT16_MAX;
    EXPECT_EQ(probe_every_decode(&message, &out), ERR_MALFORMED);
}

TEST("a length over the limit, or past the end, is malformed") {
    struct message message;
    struct probe_every out;
    EXPECT_EQ(probe_every_encode(&sample, &message), OK);
    message.data[FIXED_SIZE] = 17;
    EXPECT_EQ(probe_every_decode(&message, &out), ERR_MALFORMED);
    message.data[FIXED_SIZE] = 15;
    EXPECT_EQ(probe_every_decode(&message, &out), ERR_MALFORMED);
    message.data[FIXED_SIZE + 1] = 0xff;
    EXPECT_EQ(probe_every_decode(&message, &out), ERR_MALFORMED);
}

TEST("a bool is 0 or 1") {
    struct message message;
    struct probe_every out;
    EXPECT_EQ(probe_every_encode(&sample, &message), OK);
    message.data[1] = 2;
    EXPECT_EQ(probe_every_decode(&message, &out), ERR_MALFORMED);
}

TEST("a missing handle and one too many are malformed; one that found no room is told apart") {
    struct message message;
    struct probe_every out;
    EXPECT_EQ(probe_every_encode(&sample, &message), OK);
    message.header.handle_count = 1;
    EXPECT_EQ(probe_every_decode(&message, &out), ERR_MALFORMED);
    message.header.handle_count = 3;
    EXPECT_EQ(probe_every_decode(&message, &out), ERR_MALFORMED);
    message.header.handle_count = 2;
    message.header.handles[1] = HANDLE_INVALID;
    EXPECT_EQ(probe_every_decode(&message, &out), ERR_NO_HANDLES);
}
