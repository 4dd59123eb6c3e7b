// test-with: apps/http_server/answer_cache.c
// Kept answers.
#include "answer_cache.h"

#include <test/test.h>

static struct response response;

void response_copy(struct response *to, const struct response *from) {
    *to = *from;
}

static void keep(unsigned number) {
    char target[16];
    snprintf(target, sizeof(target), "/%u", number);
    response.size = number;
    answer_cache_keep(bytes_from_string(target), &response);
}

static bool has(unsigned number) {
    char target[16];
    snprintf(target, sizeof(target), "/%u", number);
    const struct response *found = answer_cache_find(bytes_from_string(target));
    return found != nullptr && found->size == number;
}

TEST("nothing is found before something was kept") {
    EXPECT(answer_cache_find(BYTES("")) == nullptr && answer_cache_find(BYTES("/")) == nullptr);
}

TEST("an answer is found by its whole target alone") {
    keep(12);
    EXPECT(has(12) && !has(1) && !has(123) && !has(2));
}

TEST("the oldest answers make room") {
    for (unsigned i = 0; i < 100; i++) {
        keep(i);
        EXPECT(has(i) && (i == 0 || has(i - 1)));
    }
    EXPECT(has(99 - 7) && !has(99 - 8));
}

TEST("an answer to a long target is not kept, and displaces none") {
    static uint8_t target[65];
    __builtin_memset(target, 'a', sizeof(target));
    keep(1);
    for (size_t i = 0; i < 20; i++) {
        answer_cache_keep((bytes_t) {target, 65}, &response);
    }
    EXPECT(has(1) && answer_cache_find((bytes_t) {target, 65}) == nullptr);
    answer_cache_keep((bytes_t) {target, 64}, &response);
    EXPECT(answer_cache_find((bytes_t) {target, 64}) != nullptr);
}
