// One request: its head, parsed strictly, and what of its body has come.
#pragma once

#include <llhttp.h>
#include <starina/component.h>

enum { HEAD_MAX = 8192, TARGET_MAX = 2048, FIELDS_MAX = 100, BODY_MAX = 64 * 1024, FRAMED_MAX = 2 * BODY_MAX };

enum method { METHOD_GET, METHOD_HEAD, METHOD_OTHER };

// Spans lie in the head that was given to request_take_head.
struct request {
    llhttp_t parser;
    enum method method;
    bytes_t target, host;
    bytes_t if_match, if_none_match, if_modified_since, if_unmodified_since, if_range, range;
    bool keeps_alive, has_body, expects_continue;
    bool is_head_complete;
    bool is_at_trailers;
    bool is_complete;                // the whole body has come
    uint64_t body_size, framed_size; // so far; the latter with what stands around chunks
    unsigned status;                 // what is wrong, as an HTTP status; 0: nothing

    // Of the field that is being parsed.
    bytes_t name, value;
    unsigned field_count, host_count;
};

// Takes and parses a whole head. Returns its size with the empty line, or 0 if more has to come. request->status tells
// what is wrong: with the lines that have come too while the head is not complete.
size_t request_take_head(struct request *request, bytes_t received);

// Takes bytes of the body. Returns how many of it it has taken: the fields behind a chunked one wait for their end, of
// at most HEAD_MAX. request->status as above.
size_t request_take_body(struct request *request, bytes_t received);
