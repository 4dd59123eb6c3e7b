// test-with: apps/http_server/answer_cache.c
// Kept answers.
#include "answer_cache.h"

#include <test/test.h>

static const struct request complete = {.is_complete = true};

void response_copy(struct response *to, const struct response *from) {
    *to = *from;
}

static bytes_t head_of(unsigned number, const char *ending) {
    static char text[64];
    int length = snprintf(text, sizeof(text), "GET /%u HTTP/1.1\r\n\r\n%s", number, ending);
    return (bytes_t) {(const uint8_t *) text, (size_t) length};
}

static void keep(unsigned number) {
    answer_cache_keep(head_of(number, ""), &complete, &(struct response) {.size = number});
}

static bool has(unsigned number) {
    struct response found = {};
    bytes_t head = head_of(number, "");
    return answer_cache_find(head, &found) == head.len && found.size == number;
}

TEST("an answer is found by the same head alone, whatever comes behind") {
    struct response found = {};
    EXPECT(!has(12));
    keep(12);
    EXPECT(has(12) && !has(1) && !has(123) && !has(2));
    EXPECT(answer_cache_find(head_of(12, "GET /13 HTTP/1.1\r\n"), &found) == head_of(12, "").len && found.size == 12);
    bytes_t cut = head_of(12, "");
    cut.len--;
    EXPECT_EQ(answer_cache_find(cut, &found), 0);
    EXPECT_EQ(answer_cache_find((bytes_t) {}, &found), 0);
}

TEST("the oldest answers make room") {
    for (unsigned i = 0; i < 100; i++) {
        keep(i);
        EXPECT(has(i) && (i == 0 || has(i - 1)));
    }
    EXPECT(has(99 - 7) && !has(99 - 8));
}

TEST("what depends on more than its head is not kept") {
    static const struct request requests[] = {{.is_complete = false}, {.is_complete = true, .status = 400}};
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        answer_cache_keep(head_of(2, ""), &requests[i], &(struct response) {.size = 2});
        EXPECT(!has(2));
    }
    answer_cache_keep(head_of(2, ""), &complete, &(struct response) {.size = 2, .waits_for_state = true});
    EXPECT(!has(2));
}

TEST("the answer to a long head is not kept, nor in place of another one") {
    static uint8_t text[641];
    struct response found;
    __builtin_memset(text, 'a', sizeof(text));
    for (unsigned i = 1; i <= 8; i++) {
        keep(i);
    }
    for (size_t i = 0; i < 20; i++) {
        answer_cache_keep((bytes_t) {text, sizeof(text)}, &complete, &(struct response) {.size = 1});
        EXPECT_EQ(answer_cache_find((bytes_t) {text, sizeof(text)}, &found), 0);
    }
    EXPECT(has(1) && has(8));
    answer_cache_keep((bytes_t) {text, sizeof(text) - 1}, &complete, &(struct response) {.size = 1});
    EXPECT_EQ(answer_cache_find((bytes_t) {text, sizeof(text)}, &found), sizeof(text) - 1);
}
