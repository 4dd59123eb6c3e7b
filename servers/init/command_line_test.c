// Init's words of the command line.
#include "command_line.c"
#include "virtio_mmio_parse.c"

#include <test/test.h>

TEST("words are taken one by one, however many spaces part them") {
    bytes_t line = BYTES("  trace  isolate=a:user ");
    EXPECT(bytes_equal(command_line_word(&line), BYTES("trace")));
    EXPECT(bytes_equal(command_line_word(&line), BYTES("isolate=a:user")));
    EXPECT_EQ(command_line_word(&line).len, 0);
}

TEST("the last isolation named for a component wins, and others are left as they are") {
    enum isolation_mode mode = 77;
    bytes_t line = BYTES("isolate=a:user,bc:kernel isolate=a:kernel");
    EXPECT_EQ(command_line_isolation(line, BYTES("b"), &mode), ERR_NOT_FOUND);
    EXPECT_EQ(mode, 77);
    EXPECT_EQ(command_line_isolation(line, BYTES("a"), &mode), OK);
    EXPECT_EQ(mode, ISOLATION_KERNEL);
    EXPECT_EQ(command_line_isolation(BYTES("isolate=a:moon"), BYTES("a"), &mode), ERR_MALFORMED);
    EXPECT_EQ(command_line_isolation(BYTES("isolate=a"), BYTES("a"), &mode), ERR_MALFORMED);
    EXPECT_EQ(mode, ISOLATION_KERNEL);
}

TEST("settings of a component become configuration lines behind those it has") {
    uint8_t text[32] = "x=1\n";
    size_t length = 4;
    bytes_t line = BYTES("web.port=81 web2.port=9 loglevel=3 web.root=/a=b web. web.=1 web.key web");
    EXPECT_EQ(command_line_config(line, BYTES("web"), text, sizeof(text), &length), OK);
    EXPECT(bytes_equal((bytes_t) {text, length}, BYTES("x=1\nport=81\nroot=/a=b\n")));
}

TEST("a setting that does not fit is left out whole and reported, and shorter ones still come") {
    uint8_t text[8];
    size_t length = 0;
    EXPECT_EQ(command_line_config(BYTES("a.long=12345 a.b=1"), BYTES("a"), text, sizeof(text), &length), ERR_TOO_LARGE);
    EXPECT(bytes_equal((bytes_t) {text, length}, BYTES("b=1\n")));
}

TEST("numbers are decimal or hexadecimal with an optional unit, and never over 64 bits") {
    uint64_t value = 0;
    EXPECT_EQ(text_to_number(BYTES("512"), &value), OK);
    EXPECT_EQ(value, 512);
    EXPECT_EQ(text_to_number(BYTES("0xFEb00e00"), &value), OK);
    EXPECT_EQ(value, 0xfeb00e00);
    EXPECT_EQ(text_to_number(BYTES("4K"), &value), OK);
    EXPECT_EQ(value, 4096);
    bytes_t wrong[] = {BYTES(""),
                       BYTES("K"),
                       BYTES("0x"),
                       BYTES("12a"),
                       BYTES("0x1g"),
                       BYTES("-1"),
                       BYTES("18446744073709551616"),
                       BYTES("18446744073709551615K")};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        EXPECT_EQ(text_to_number(wrong[i], &value), ERR_MALFORMED);
    }
}

TEST("a virtio device is declared by size, address and interrupt line") {
    struct virtio_mmio_declaration declared;
    EXPECT_EQ(virtio_mmio_parse(BYTES("512@0xfeb00e00:12"), &declared), OK);
    EXPECT_EQ(declared.size, 512);
    EXPECT_EQ(declared.address, 0xfeb00e00);
    EXPECT_EQ(declared.line, 12);
    EXPECT_EQ(virtio_mmio_parse(BYTES("4K@0xd0000000:5:1"), &declared), OK);
    EXPECT_EQ(declared.size, 4096);
    EXPECT_EQ(declared.line, 5);
}

TEST("a declaration that lacks something or makes no sense is refused") {
    struct virtio_mmio_declaration declared;
    bytes_t wrong[] = {BYTES(""),
                       BYTES("512"),
                       BYTES("512@0xfeb00e00"),
                       BYTES("512@:12"),
                       BYTES("@0xfeb00e00:12"),
                       BYTES("0@0xfeb00e00:12"),
                       BYTES("4096M@0xfeb00e00:12"),
                       BYTES("512@0xfeb00e01:12"),
                       BYTES("512@0xffffffffffffff00:12"),
                       BYTES("512@0xfeb00e00:4294967296")};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        EXPECT_EQ(virtio_mmio_parse(wrong[i], &declared), ERR_MALFORMED);
    }
}
