// Answers of late. A page and what it links to are few files; clients that ask for many others, or each in words of its own,
// make it slow, not wrong.
#include "answer_cache.h"

enum : size_t { ANSWERS_MAX = 8, HEAD_KEPT_MAX = 640 };

struct answer {
    size_t head_length; // 0: unused
    uint8_t head[HEAD_KEPT_MAX];
    struct response response;
};

static struct answer answers[ANSWERS_MAX];
static size_t oldest, last_found;

// A head ends where it says so, whatever comes behind.
static bool begins_with(bytes_t received, const struct answer *answer) {
    return answer->head_length > 0 && received.len >= answer->head_length &&
           memcmp(received.ptr, answer->head, answer->head_length) == 0;
}

static const struct answer *find(bytes_t received) {
    if (begins_with(received, &answers[last_found])) {
        return &answers[last_found];
    }
    for (size_t i = 0; i < ANSWERS_MAX; i++) {
        if (begins_with(received, &answers[i])) {
            last_found = i;
            return &answers[i];
        }
    }
    return nullptr;
}

size_t answer_cache_find(bytes_t received, struct response *out_response) {
    const struct answer *answer = find(received);
    if (answer == nullptr) {
        return 0;
    }
    response_copy(out_response, &answer->response);
    return answer->head_length;
}

void answer_cache_keep(bytes_t head, const struct request *request, const struct response *response) {
    bool is_all = request->status == 0 && request->is_complete && !response->waits_for_state;
    if (!is_all || head.len > HEAD_KEPT_MAX) {
        return;
    }
    struct answer *answer = &answers[oldest];
    (void) bytes_store(answer->head, sizeof(answer->head), head, &answer->head_length); // it fits
    response_copy(&answer->response, response);
    oldest = (oldest + 1) % ANSWERS_MAX;
}
