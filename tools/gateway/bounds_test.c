// test-with: tools/gateway/bounds.c
#include "bounds.h"

#include <test/test.h>

enum { VISITS = 64 };

TEST("visits are counted per address") {
    EXPECT(clients_begin(VISITS));
    clients_add(1);
    clients_add(1);
    clients_add(2);
    EXPECT_EQ(clients_count(1), 2);
    EXPECT_EQ(clients_count(2), 1);
    EXPECT_EQ(clients_count(3), 0);
    clients_remove(1);
    EXPECT_EQ(clients_count(1), 1);
}

static uint32_t state = 1;

static uint32_t next_random(void) {
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

// Few addresses in a table of many collisions; what they should count is kept beside.
TEST("addresses that collide are found whatever was removed between them") {
    uint32_t expected[256] = {}, total = 0;
    EXPECT(clients_begin(VISITS));
    for (int i = 0; i < 200000; i++) {
        uint32_t address = next_random() % 256;
        if (total < VISITS && next_random() % 2 == 0) {
            clients_add(address << 20);
            expected[address]++;
            total++;
        } else if (expected[address] > 0) {
            clients_remove(address << 20);
            expected[address]--;
            total--;
        }
        EXPECT_EQ(clients_count(address << 20), expected[address]);
    }
    for (uint32_t address = 0; address < 256; address++) {
        EXPECT_EQ(clients_count(address << 20), expected[address]);
    }
}

TEST("removing what was never added changes nothing") {
    EXPECT(clients_begin(VISITS));
    clients_remove(7);
    EXPECT_EQ(clients_count(7), 0);
}

TEST("descriptors that are allowed already, or never, are told apart") {
    size_t possible = 0;
    EXPECT(descriptors_allow(8, &possible));
    EXPECT(!descriptors_allow(possible + 1, &possible));
}
