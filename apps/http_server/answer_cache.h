// The answers to the plain requests of late, by their targets: files do not change while the component runs.
#pragma once

#include "response.h"

const struct response *answer_cache_find(bytes_t target); // nullptr: not kept

// Keeps a response that owns nothing in place of the oldest one. One to a long target is not kept.
void answer_cache_keep(bytes_t target, const struct response *response);
