// The answers to plain requests of late: they depend on little, and files do not change while the component runs.
#pragma once

#include "response.h"

const struct response *answer_cache_find(const struct request *request); // nullptr: not kept

// Keeps the answer in place of the oldest one, if it is short and depends on nothing else.
void answer_cache_keep(const struct request *request, const struct response *response);
