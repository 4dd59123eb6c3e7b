// Answers of late. A page and what it links to are few files; a client that asks for many others makes it slow, not wrong.
#include "answer_cache.h"

enum : size_t { ANSWERS_MAX = 8, KEPT_TARGET_MAX = 64 };

struct answer {
    size_t target_length; // 0: none
    uint8_t target[KEPT_TARGET_MAX];
    struct response response;
};

static struct answer answers[ANSWERS_MAX];
static size_t oldest;

const struct response *answer_cache_find(bytes_t target) {
    for (size_t i = 0; i < ANSWERS_MAX && target.len > 0; i++) {
        if (bytes_equal((bytes_t) {answers[i].target, answers[i].target_length}, target)) {
            return &answers[i].response;
        }
    }
    return nullptr;
}

void answer_cache_keep(bytes_t target, const struct response *response) {
    struct answer *answer = &answers[oldest];
    if (bytes_store(answer->target, sizeof(answer->target), target, &answer->target_length) == OK) {
        response_copy(&answer->response, response);
        oldest = (oldest + 1) % ANSWERS_MAX;
    }
}
