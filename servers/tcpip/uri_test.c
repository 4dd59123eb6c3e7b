// test-with: servers/tcpip/uri.c
#include "uri.h"

#include <starina/component.h>
#include <test/test.h>

static status_t parse(const char *text, struct uri *out_uri) {
    return uri_parse(bytes_from_string(text), out_uri);
}

static status_t verdict(const char *text) {
    struct uri uri;
    return parse(text, &uri);
}

TEST("an address is kept as it lies in a packet") {
    uint32_t address, mask;
    EXPECT_EQ(address_parse(BYTES("10.0.2.15"), &address), OK);
    EXPECT_EQ(address, 0x0f02000a);
    EXPECT_EQ(network_parse(BYTES("10.0.2.15/24"), &address, &mask), OK);
    EXPECT_EQ(mask, 0x00ffffff);
    EXPECT_EQ(network_parse(BYTES("10.0.2.15/0"), &address, &mask), OK);
    EXPECT_EQ(mask, 0);
}

TEST("what is not exactly an address is refused") {
    // clang-format off
    static const char *const wrong[] = {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.", ".1.2.3",
                                        "1.2.3.-4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/24", "1..3.4", "a.b.c.d"};
    // clang-format on
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint32_t address;
        EXPECT_EQ(address_parse(bytes_from_string(wrong[i]), &address), ERR_INVALID_ARGUMENT);
    }
}

TEST("a listening socket has an address and a port") {
    struct uri uri;
    EXPECT_EQ(parse("tcp-listen:0.0.0.0:80", &uri), OK);
    EXPECT_EQ(uri.scheme, URI_TCP_LISTEN);
    EXPECT_EQ(uri.address, 0);
    EXPECT_EQ(uri.port, 80);
    EXPECT_EQ(verdict("tcp-listen:localhost:80"), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(verdict("tcp-listen:0.0.0.0:0"), ERR_INVALID_ARGUMENT);
}

TEST("a connection goes to an address or a name") {
    struct uri uri;
    EXPECT_EQ(parse("tcp:10.0.2.2:8080", &uri), OK);
    EXPECT(!uri.is_name);
    EXPECT_EQ(parse("tcp:www.example-1.org:443", &uri), OK);
    EXPECT(uri.is_name && bytes_equal(uri.host, BYTES("www.example-1.org")));
    EXPECT_EQ(uri.port, 443);
}

TEST("a datagram socket may leave the port to the stack") {
    EXPECT_EQ(verdict("udp:0.0.0.0:0"), OK);
    EXPECT_EQ(verdict("udp:name:0"), ERR_INVALID_ARGUMENT);
}

TEST("what is not exactly a socket's URI is refused") {
    // clang-format off
    static const char *const wrong[] = {"", ":", "::", "tcp", "tcp:", "tcp:host", "tcp::80", "tcp:host:", "tcp:host:x",
                                        "tcp:host:080", "tcp:host:65536", "tcp:host:80:", "TCP:host:80", "tcp:host:+80",
                                        "http:host:80", "tcp:-host:80", "tcp:host-:80", "tcp:a..b:80", "tcp:.a:80",
                                        "tcp:a b:80", "tcp:1.2.3:80", "tcp:1.2.3.400:80", "tcp:host.:80"};
    // clang-format on
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT_EQ(verdict(wrong[i]), ERR_INVALID_ARGUMENT);
    }
}

TEST("a label of a host name has at most 63 bytes") {
    char name[64];
    for (size_t i = 0; i < sizeof(name); i++) {
        name[i] = 'a';
    }
    EXPECT(host_name_is_valid((bytes_t) {(const uint8_t *) name, 63}));
    EXPECT(!host_name_is_valid((bytes_t) {(const uint8_t *) name, 64}));
}

TEST("a name server may have a port of its own") {
    uint32_t address;
    uint16_t port;
    EXPECT_EQ(endpoint_parse(BYTES("10.0.2.3"), 53, &address, &port), OK);
    EXPECT_EQ(port, 53);
    EXPECT_EQ(endpoint_parse(BYTES("10.0.2.3:5353"), 53, &address, &port), OK);
    EXPECT_EQ(port, 5353);
    EXPECT_EQ(endpoint_parse(BYTES("10.0.2.3:70000"), 53, &address, &port), ERR_INVALID_ARGUMENT);
}
