// The answers to requests of late, found by the bytes of the request's head: what is asked in the same words is answered in
// the same, and need not be parsed again. Files do not change while the component runs.
#pragma once

#include "response.h"

// Returns the length of the head that `received` begins with, and the answer to it. 0: it is not kept
size_t answer_cache_find(bytes_t received, struct response *out_response);

// Keeps the answer in place of the oldest one, if the head is short and all of the request, and the answer depends on
// nothing else.
void answer_cache_keep(bytes_t head, const struct request *request, const struct response *response);
