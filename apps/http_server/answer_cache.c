// Answers of late. A page and what it links to are few files; a client that asks for many others makes it slow, not wrong.
#include "answer_cache.h"

enum : size_t { ANSWERS_MAX = 8, KEY_MAX = 64 };

// What an answer depends on. A browser that has a page still asks whether it has another tag now.
struct key {
    size_t length;
    uint8_t bytes[KEY_MAX];
};

struct answer {
    struct key target, if_none_match;
    struct response response;
};

static struct answer answers[ANSWERS_MAX]; // unused ones have an empty target, which no request has
static size_t oldest;

// If-Modified-Since counts for nothing beside If-None-Match (RFC 9110, 13.1.3).
static bool is_plain(const struct request *request) {
    bool has_date = request->if_modified_since.len > 0 && request->if_none_match.len == 0;
    bool has_conditions =
        has_date || request->if_match.len > 0 || request->if_unmodified_since.len > 0 || request->range.len > 0;
    return request->status == 0 && request->method == METHOD_GET && request->keeps_alive && !request->expects_continue &&
           request->target.len > 0 && !has_conditions;
}

static bool is_key(const struct key *key, bytes_t bytes) {
    return bytes_equal((bytes_t) {key->bytes, key->length}, bytes);
}

const struct response *answer_cache_find(const struct request *request) {
    if (!is_plain(request)) {
        return nullptr;
    }
    for (size_t i = 0; i < ANSWERS_MAX; i++) {
        if (is_key(&answers[i].target, request->target) && is_key(&answers[i].if_none_match, request->if_none_match)) {
            return &answers[i].response;
        }
    }
    return nullptr;
}

// It fits.
static void set_key(struct key *key, bytes_t bytes) {
    (void) bytes_store(key->bytes, sizeof(key->bytes), bytes, &key->length);
}

void answer_cache_keep(const struct request *request, const struct response *response) {
    bool fits = request->target.len <= KEY_MAX && request->if_none_match.len <= KEY_MAX;
    if (!is_plain(request) || response->waits_for_state || !fits) {
        return;
    }
    struct answer *answer = &answers[oldest];
    set_key(&answer->target, request->target);
    set_key(&answer->if_none_match, request->if_none_match);
    response_copy(&answer->response, response);
    oldest = (oldest + 1) % ANSWERS_MAX;
}
