// One response: a head as text, with a short body behind it or a part of a folio as the body.
#pragma once

#include "body.h"
#include "request.h"
#include "text.h"

enum { RESPONSE_HEAD_MAX = 1008 }; // goes into one message, with what names the body

struct response {
    bool closes;          // the connection, behind it
    bool waits_for_state; // the body is this machine's state, which is being collected: response_finish_state
    enum body body;
    folio_t folio;         // of BODY_OWN
    uint64_t offset, size; // of the body in what it is taken from; without one 0
    uint64_t period;       // not 0: the body repeats that many bytes until `size`
    size_t head_length;
    char head[RESPONSE_HEAD_MAX]; // last: cleared and copied no further than it is in use
};

void response_clear(struct response *response);
void response_copy(struct response *response, const struct response *from); // which owns nothing

// Answers a request; request->status counts first.
void response_make(struct response *response, const struct request *request);

// An answer to what is no request: too late, too long.
void response_make_error(struct response *response, unsigned status);

// Completes a response with `waits_for_state`. The folio is lent for the call.
void response_finish_state(struct response *response, const struct request *request, status_t status, folio_t folio,
                           size_t size);

void response_drop(struct response *response); // gives back what it owns
