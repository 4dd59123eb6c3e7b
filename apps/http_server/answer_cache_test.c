// test-with: apps/http_server/answer_cache.c
// Kept answers.
#include "answer_cache.h"

#include <test/test.h>

static struct response response;

void response_copy(struct response *to, const struct response *from) {
    *to = *from;
}

static struct request plain(const char *target) {
    return (struct request) {.method = METHOD_GET, .keeps_alive = true, .target = bytes_from_string(target)};
}

static void keep(unsigned number) {
    char target[16];
    snprintf(target, sizeof(target), "/%u", number);
    struct request request = plain(target);
    response.size = number;
    answer_cache_keep(&request, &response);
}

static bool has(unsigned number) {
    char target[16];
    snprintf(target, sizeof(target), "/%u", number);
    struct request request = plain(target);
    const struct response *found = answer_cache_find(&request);
    return found != nullptr && found->size == number;
}

TEST("an answer is found by its whole target alone") {
    EXPECT(!has(12));
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

TEST("whoever has another tag gets another answer") {
    struct request request = plain("/1");
    keep(1);
    request.if_none_match = BYTES("\"a\"");
    EXPECT(answer_cache_find(&request) == nullptr);
    response.size = 0;
    answer_cache_keep(&request, &response);
    EXPECT(has(1) && answer_cache_find(&request)->size == 0);
    request.if_none_match = BYTES("\"b\"");
    EXPECT(answer_cache_find(&request) == nullptr);
}

TEST("a date beside a tag counts for nothing, as a browser sends it that asks again") {
    struct request request = plain("/1");
    request.if_none_match = BYTES("\"a\"");
    request.if_modified_since = BYTES("Thu, 26 Nov 2026 00:00:00 GMT");
    response.size = 7;
    answer_cache_keep(&request, &response);
    EXPECT(answer_cache_find(&request) != nullptr);
    request.if_modified_since = (bytes_t) {};
    EXPECT(answer_cache_find(&request) != nullptr);
}

TEST("what depends on more is neither kept nor found") {
    bytes_t field = BYTES("x");
    const struct request cases[] = {
        {.method = METHOD_HEAD, .keeps_alive = true},
        {.method = METHOD_OTHER, .keeps_alive = true},
        {.method = METHOD_GET, .keeps_alive = false},
        {.method = METHOD_GET, .keeps_alive = true, .expects_continue = true},
        {.method = METHOD_GET, .keeps_alive = true, .status = 400},
        {.method = METHOD_GET, .keeps_alive = true, .if_match = field},
        {.method = METHOD_GET, .keeps_alive = true, .if_modified_since = field},
        {.method = METHOD_GET, .keeps_alive = true, .if_unmodified_since = field},
        {.method = METHOD_GET, .keeps_alive = true, .range = field},
    };
    keep(1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request request = cases[i];
        request.target = BYTES("/1");
        EXPECT(answer_cache_find(&request) == nullptr);
        request.target = BYTES("/2");
        answer_cache_keep(&request, &response);
        EXPECT(!has(2));
    }
    struct request state = plain("/2");
    answer_cache_keep(&state, &(struct response) {.waits_for_state = true});
    EXPECT(answer_cache_find(&state) == nullptr);
}

TEST("an answer to a long request is not kept, nor in place of another one") {
    static uint8_t text[65];
    __builtin_memset(text, 'a', sizeof(text));
    struct request request = plain("/2");
    for (unsigned i = 1; i <= 8; i++) {
        keep(i + 10);
    }
    keep(1);
    for (size_t i = 0; i < 20; i++) {
        request.if_none_match = (bytes_t) {text, sizeof(text)};
        answer_cache_keep(&request, &response);
        struct request long_target = plain("/");
        long_target.target = (bytes_t) {text, sizeof(text)};
        answer_cache_keep(&long_target, &response);
        EXPECT(answer_cache_find(&request) == nullptr && answer_cache_find(&long_target) == nullptr);
    }
    EXPECT(has(1) && has(12) && has(18));
    request.if_none_match.len = request.target.len = sizeof(text) - 1;
    request.target.ptr = text;
    answer_cache_keep(&request, &response);
    EXPECT(answer_cache_find(&request) != nullptr);
}
