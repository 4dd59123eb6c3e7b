// test-with: servers/tcpip/checksum.c
#include <lwip/inet_chksum.h>

#include <test/test.h>

enum { SIZE_MAX_TESTED = 1600, PARTS = 3 };

static uint8_t data[SIZE_MAX_TESTED];

// RFC 1071 word by word.
static uint16_t reference(uint32_t sum, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        sum += (uint32_t) bytes[i] << (i % 2 * 8);
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t) ~sum;
}

static void fill(uint32_t seed) {
    for (size_t i = 0; i < sizeof(data); i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = (uint8_t) (seed >> 24);
    }
}

// The packet's parts are the first `size` bytes of the data, cut at `first` and `second`.
static struct pbuf *packet_of(struct pbuf parts[PARTS], uint16_t first, uint16_t second, uint16_t size) {
    const uint16_t cuts[PARTS + 1] = {0, first, second, size};
    for (size_t i = 0; i < PARTS; i++) {
        parts[i] = (struct pbuf) {.payload = data + cuts[i], .len = cuts[i + 1] - cuts[i]};
        parts[i].next = i + 1 < PARTS ? &parts[i + 1] : nullptr;
    }
    return parts;
}

TEST("the checksum is RFC 1071's for every size and every beginning") {
    fill(1);
    for (size_t begin = 0; begin < 9; begin++) {
        for (uint16_t size = 0; size <= 520; size++) {
            EXPECT_EQ(inet_chksum(data + begin, size), reference(0, data + begin, size));
        }
        EXPECT_EQ(inet_chksum(data + begin, 1460), reference(0, data + begin, 1460));
    }
}

TEST("carries are not lost") {
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = 0xff;
    }
    for (uint16_t size = 0; size <= 300; size++) {
        EXPECT_EQ(inet_chksum(data, size), reference(0, data, size));
    }
    EXPECT_EQ(inet_chksum(data, 1514), 0);
}

TEST("it does not matter where a packet is cut into parts") {
    struct pbuf parts[PARTS];
    fill(2);
    for (uint16_t first = 0; first < 18; first++) {
        for (uint16_t second = first; second < first + 18; second++) {
            for (uint16_t size = second; size < second + 18; size++) {
                EXPECT_EQ(inet_chksum_pbuf(packet_of(parts, first, second, size)), reference(0, data, size));
            }
        }
    }
}

TEST("the pseudo-header counts") {
    struct pbuf parts[PARTS];
    const ip_addr_t source = {0xfffefdfc}, destination = {0x80ff01a5};
    fill(3);
    for (uint16_t size = 60; size < 80; size++) {
        uint32_t header = 0xfffe + 0xfdfc + 0x80ff + 0x01a5 + (6 << 8) + (uint32_t) (size << 8);
        struct pbuf *packet = packet_of(parts, 21, 54, size);
        EXPECT_EQ(ip_chksum_pseudo(packet, 6, size, &source, &destination), reference(header, data, size));
    }
}
