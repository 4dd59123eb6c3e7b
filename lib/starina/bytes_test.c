// Byte strings.
#include <starina/bytes.h>
#include <test/test.h>

TEST("byte strings are equal if all their bytes are, wherever they lie") {
    uint8_t a[40], b[41];
    for (size_t length = 0; length <= sizeof(a); length++) {
        __builtin_memset(a, 'x', sizeof(a));
        __builtin_memset(b, 'x', sizeof(b));
        EXPECT(bytes_equal((bytes_t) {a, length}, (bytes_t) {b + 1, length}));
        for (size_t at = 0; at < length; at++) {
            b[1 + at] = 'y';
            EXPECT(!bytes_equal((bytes_t) {a, length}, (bytes_t) {b + 1, length}));
            b[1 + at] = 'x';
        }
    }
    EXPECT(!bytes_equal(BYTES("ab"), BYTES("abc")) && bytes_equal((bytes_t) {}, BYTES("")));
}

TEST("a slice inside is the part that was asked for") {
    bytes_t slice;
    EXPECT_EQ(bytes_slice(BYTES("abcdef"), 2, 3, &slice), OK);
    EXPECT(bytes_equal(slice, BYTES("cde")));
    EXPECT_EQ(bytes_slice(BYTES("abc"), 3, 0, &slice), OK);
    EXPECT_EQ(slice.len, 0);
}

TEST("a slice that is not inside is refused, even where its end overflows") {
    bytes_t slice;
    EXPECT_EQ(bytes_slice(BYTES("abc"), 4, 0, &slice), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(bytes_slice(BYTES("abc"), 2, 2, &slice), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(bytes_slice(BYTES("abc"), 2, SIZE_MAX, &slice), ERR_INVALID_ARGUMENT);
}

TEST("storing what fits copies it, what does not changes nothing") {
    char room[4] = "xyz";
    size_t length = 99;
    EXPECT_EQ(bytes_store(room, sizeof(room), BYTES("12345"), &length), ERR_TOO_LARGE);
    EXPECT_EQ(length, 99);
    EXPECT_EQ(room[0], 'x');
    EXPECT_EQ(bytes_store(room, sizeof(room), BYTES("1234"), &length), OK);
    EXPECT_EQ(length, 4);
    EXPECT_EQ(room[3], '4');
    EXPECT_EQ(bytes_store(nullptr, 0, (bytes_t) {}, &length), OK);
}

TEST("a string needs room for its end and holds no NUL") {
    char room[4];
    EXPECT_EQ(bytes_to_string(room, sizeof(room), BYTES("abcd")), ERR_TOO_LARGE);
    EXPECT_EQ(bytes_to_string(room, sizeof(room), BYTES("a\0c")), ERR_MALFORMED);
    EXPECT_EQ(bytes_to_string(room, sizeof(room), BYTES("abc")), OK);
    EXPECT_EQ(room[3], 0);
    EXPECT_EQ(bytes_to_string(room, sizeof(room), (bytes_t) {}), OK);
    EXPECT_EQ(room[0], 0);
}

TEST("a number is digits alone and within 64 bits") {
    uint64_t value;
    EXPECT_EQ(bytes_to_u64(BYTES("18446744073709551615"), &value), OK);
    EXPECT(value == UINT64_MAX);
    EXPECT_EQ(bytes_to_u64(BYTES("18446744073709551616"), &value), ERR_MALFORMED);
    EXPECT_EQ(bytes_to_u64(BYTES(""), &value), ERR_MALFORMED);
    EXPECT_EQ(bytes_to_u64(BYTES("12a"), &value), ERR_MALFORMED);
    EXPECT_EQ(bytes_to_u64(BYTES("-1"), &value), ERR_MALFORMED);
}

TEST("a copy that is too large for its destination is refused") {
    uint8_t room[2] = {1, 2};
    EXPECT_EQ(mem_copy(room, sizeof(room), "abc", 3), ERR_TOO_LARGE);
    EXPECT_EQ(room[0], 1);
    EXPECT_EQ(mem_copy(room, sizeof(room), nullptr, 0), OK);
    mem_zero(room, sizeof(room));
    EXPECT_EQ(room[1], 0);
}
