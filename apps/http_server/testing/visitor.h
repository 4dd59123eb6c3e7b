// The world around http_server for its tests: the network with its visitors, init, and an archive with one folder.
#pragma once

#include <test/host/fake_supervisor.h>

// Starts it. `/docs` is a folder; test bodies are served; timeouts are seconds: idle 4, request 2, send 30, linger 1.
bool server_start(void);
size_t server_waiting(void); // visitors that it has not accepted

// Answers the next question for the machine's state. False: nobody asks
bool server_give_state(status_t status);

struct visitor {
    channel_t stream; // the network's end
    char text[8192];  // of heads and short bodies, NUL-terminated
    size_t text_size;
    uint64_t body_size; // of what was lent
    uint8_t body[64];   // the beginning of the last of these
    bool was_finished;  // the server has ended its side
};

void visitor_arrive(struct visitor *visitor); // it waits until the server accepts it
void visitor_send(struct visitor *visitor, const char *text);
void visitor_finish(struct visitor *visitor);
void visitor_read(struct visitor *visitor);            // takes all that the server has written
void visitor_read_nothing(struct visitor *visitor);    // from now on there is room for one message
bool visitor_is_closed(const struct visitor *visitor); // the server has closed the stream
bool visitor_has(const struct visitor *visitor, const char *text);
