// Moves records between buffers and the link's socket. Trusts nothing that comes from there.
#include "link.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

bool link_open(struct link *link, int descriptor, uint8_t memory[LINK_MEMORY], void (*on_event)(struct source *, uint32_t)) {
    *link = (struct link) {.up.bytes = memory, .down.bytes = memory + LINK_BUFFER_SIZE};
    return source_open(&link->source, descriptor, EPOLLIN, on_event);
}

void link_close(struct link *link) {
    source_close(&link->source);
}

uint8_t *link_payload(struct link *link) {
    return link->up.bytes + RECORD_HEADER_SIZE;
}

void link_put(struct link *link, enum record_type type, size_t length) {
    record_write_header(link->up.bytes, type, length);
    link->up.begin = 0;
    link->up.end = RECORD_HEADER_SIZE + length;
}

static bool is_for_later(ssize_t result) {
    return result < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM);
}

enum link_result link_send(struct link *link) {
    while (buffer_length(&link->up) > 0) {
        ssize_t sent = send(link->source.descriptor, link->up.bytes + link->up.begin, buffer_length(&link->up), MSG_NOSIGNAL);
        if (is_for_later(sent)) {
            return LINK_WAITS;
        }
        link->is_deaf = sent < 0;
        buffer_take(&link->up, sent < 0 ? buffer_length(&link->up) : (size_t) sent);
    }
    return link->is_deaf ? LINK_ENDED : LINK_DONE;
}

// A VM that ended with something unread makes this fail once everything it sent is read: that is an end, too.
enum link_result link_receive(struct link *link) {
    ssize_t received = recv(link->source.descriptor, link->down.bytes, LINK_BUFFER_SIZE, 0);
    if (is_for_later(received)) {
        return LINK_WAITS;
    }
    if (received <= 0) {
        link->is_hung_up = true;
        return LINK_ENDED;
    }
    link->down.end = (size_t) received;
    return LINK_DONE;
}

// Being hung up is told again and again, so the source is forgotten; reading what is left does not wait.
void link_note(struct link *link, uint32_t events) {
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        link->is_hung_up = true;
        source_forget(&link->source);
    }
}

void link_want(struct link *link, bool wants_records) {
    source_want(&link->source, (wants_records ? EPOLLIN : 0) | (buffer_length(&link->up) > 0 ? EPOLLOUT : 0));
}
