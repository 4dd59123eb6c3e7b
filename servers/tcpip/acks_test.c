// Which acknowledgements are superfluous.
// test-with: servers/tcpip/acks.c
#include <lwip/prot/tcp.h>

#include "acks.h"

#include <test/test.h>

static void make(uint8_t frame[60], uint32_t acknowledged) {
    static const uint8_t plain[54] = {
        2,  0,  0, 0,  0, 1, 2,  0, 0,  0, 0, 2, 8,  0,                          // Ethernet
        69, 0,  0, 40, 0, 7, 64, 0, 64, 6, 0, 0, 10, 0,  2,   2,   10, 0, 2, 15, // IPv4
        0,  80, 1, 2,  0, 0, 0,  9, 0,  0, 0, 0, 80, 16, 255, 255,               // TCP
    };
    __builtin_memset(frame, 0, 60);
    __builtin_memcpy(frame, plain, sizeof(plain));
    uint32_t number = lwip_htonl(acknowledged);
    __builtin_memcpy(frame + 42, &number, sizeof(number));
}

TEST("a segment that acknowledges and does nothing else is plain, whatever lies behind it in the frame") {
    uint8_t frame[60];
    make(frame, 5);
    EXPECT(ack_is_plain(frame, 60) && ack_is_plain(frame, 54) && !ack_is_plain(frame, 53));
}

TEST("anything else is not: other protocols, options, data, fragments, flags") {
    static const struct {
        size_t at;
        uint8_t value;
    } cases[] = {{12, 6},    {14, 0x46}, {14, 0x65}, {17, 41},   {16, 1},    {20, 0x20}, {21, 1},    {23, 17},
                 {46, 0x60}, {46, 0x51}, {47, 0x18}, {47, 0x11}, {47, 0x14}, {47, 0x12}, {47, 0x30}, {47, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t frame[60];
        make(frame, 5);
        frame[cases[i].at] = cases[i].value;
        EXPECT(!ack_is_plain(frame, 60));
    }
}

TEST("one that acknowledges more supersedes one that acknowledges less, across the wrap too; a repeated one does not") {
    uint8_t earlier[60], later[60];
    make(earlier, UINT32_MAX - 5);
    make(later, 100);
    EXPECT(ack_is_superseded(earlier, later) && !ack_is_superseded(later, earlier));
    EXPECT(!ack_is_superseded(earlier, earlier));
}

TEST("only one of the same connection at the same place supersedes another") {
    static const size_t differs[] = {29, 33, 35, 37, 41};
    for (size_t i = 0; i < sizeof(differs) / sizeof(differs[0]); i++) {
        uint8_t earlier[60], later[60];
        make(earlier, 5);
        make(later, 6);
        later[differs[i]]++;
        EXPECT(!ack_is_superseded(earlier, later));
    }
}
