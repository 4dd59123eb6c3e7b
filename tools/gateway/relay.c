// Joins a client and its VM: half-close both ways, and nothing is read that there is no room for. Trusts neither.
#include "relay.h"

#include "clock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { ROUNDS_MAX = 16 }; // buffers per event, so that one visit does not starve the others

static bool is_for_later(void) {
    return errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM;
}

// --- From the client to its VM ---

void relay_begin(struct visit *visit) {
    struct link *link = &visit->vm->link;
    record_write_open(link_payload(link), visit->address.sin_addr.s_addr, ntohs(visit->address.sin_port));
    link_put(link, RECORD_OPEN, RECORD_OPEN_SIZE);
}

enum taken { TAKEN_SOMETHING, TAKEN_NOTHING, CLIENT_IS_GONE };

static enum taken take_from_client(struct visit *visit) {
    struct link *link = &visit->vm->link;
    ssize_t received = recv(visit->client.descriptor, link_payload(link), LINK_PAYLOAD_MAX, 0);
    if (received < 0) {
        return is_for_later() ? TAKEN_NOTHING : CLIENT_IS_GONE;
    }
    visit->has_client_ended = received == 0;
    link_put(link, received == 0 ? RECORD_END : RECORD_DATA, (size_t) received);
    visit->bytes_in += (uint64_t) received;
    metrics.bytes_in += (uint64_t) received;
    visit->last_byte_at_ns = clock_now();
    return TAKEN_SOMETHING;
}

// False: the visit is gone. A VM whose end is closed takes nothing more, and what it sent before comes down all the same.
static bool relay_up(struct visit *visit) {
    for (int i = 0; i < ROUNDS_MAX; i++) {
        if (link_send(&visit->vm->link) != LINK_DONE || visit->has_client_ended) {
            break;
        }
        enum taken taken = take_from_client(visit);
        if (taken == CLIENT_IS_GONE) {
            visit_end_left(visit);
            return false;
        }
        if (taken == TAKEN_NOTHING) {
            break;
        }
    }
    return true;
}

// --- From the VM to its client ---

enum sent { SENT_ALL, SENT_SOME, SENT_TO_NOBODY };

static void note_sent(struct visit *visit, size_t count) {
    struct header *header = &visit->header;
    struct link *link = &visit->vm->link;
    size_t held = header->length - header->sent;
    size_t of_header = count < held ? count : held;
    header->sent += of_header;
    if (count > of_header) {
        record_take_data(&link->parser, &link->down, count - of_header);
    }
    visit->bytes_out += count;
    metrics.bytes_out += count;
    visit->last_byte_at_ns = clock_now();
}

// What was held back of the answer's beginning, and the data at hand.
static enum sent send_to_client(struct visit *visit) {
    struct header *header = &visit->header;
    struct link *link = &visit->vm->link;
    if (!header->is_decided) {
        return SENT_ALL;
    }
    struct iovec parts[] = {
        {header->bytes + header->sent, header->length - header->sent},
        {link->down.bytes + link->down.begin, record_data_length(&link->parser, &link->down)},
    };
    size_t total = parts[0].iov_len + parts[1].iov_len;
    if (total == 0) {
        return SENT_ALL;
    }
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent = sendmsg(visit->client.descriptor, &message, MSG_NOSIGNAL);
    if (sent < 0) {
        return is_for_later() ? SENT_SOME : SENT_TO_NOBODY;
    }
    note_sent(visit, (size_t) sent);
    return (size_t) sent == total ? SENT_ALL : SENT_SOME;
}

static void hold_back(struct visit *visit) {
    struct link *link = &visit->vm->link;
    size_t length = record_data_length(&link->parser, &link->down);
    uint64_t boot_us = link->parser.boot_ns / NSEC_PER_USEC;
    size_t held = header_take(&visit->header, link->down.bytes + link->down.begin, length, boot_us);
    if (held > 0) {
        record_take_data(&link->parser, &link->down, held);
    }
}

// False: the visit is gone.
static bool read_record(struct visit *visit) {
    switch (record_next(&visit->vm->link.parser, &visit->vm->link.down)) {
    case RECORD_NEEDS_MORE:
        return true;
    case RECORD_HAS_DATA:
        hold_back(visit);
        return true;
    case RECORD_HAS_ENDED:
        header_finish(&visit->header);
        visit->has_vm_ended = true;
        return true;
    case RECORD_IS_ABORTED:
        visit_end_failed(visit, FAILED_ABORTED);
        return false;
    case RECORD_IS_READY:
    case RECORD_IS_BROKEN:
        break;
    }
    visit_end_failed(visit, FAILED_RECORDS);
    return false;
}

// False: nothing more can be sent now, or the visit is gone.
static bool send_step(struct visit *visit) {
    enum sent sent = send_to_client(visit);
    visit->is_blocked = sent == SENT_SOME;
    if (sent == SENT_TO_NOBODY) {
        visit_end_left(visit);
    } else if (sent == SENT_ALL && visit->has_vm_ended) {
        visit_end_served(visit);
    }
    return visit->state == VISIT_JOINED && sent == SENT_ALL;
}

// What is in the buffer is never left there, for no event would tell of it: only between buffers others get their turn.
static void relay_down(struct visit *visit) {
    struct link *link = &visit->vm->link;
    for (int i = 0; send_step(visit);) {
        if (buffer_length(&link->down) == 0) {
            if (i++ == ROUNDS_MAX && !link->is_hung_up) {
                return;
            }
            enum link_result result = link_receive(link);
            if (result == LINK_ENDED) {
                visit_end_failed(visit, FAILED_VM_ENDED);
            }
            if (result != LINK_DONE) {
                return;
            }
        }
        if (!read_record(visit)) {
            return;
        }
    }
}

// --- Both ways ---

static void want(struct visit *visit) {
    struct link *link = &visit->vm->link;
    bool wants_more = !visit->has_client_ended && !link->is_deaf && buffer_length(&link->up) == 0;
    source_want(&visit->client, (wants_more ? EPOLLIN : 0) | (visit->is_blocked ? EPOLLOUT : 0));
    link_want(link, !visit->is_blocked);
}

void relay(struct visit *visit) {
    if (!relay_up(visit)) {
        return;
    }
    if (visit->vm->state == VM_READY) {
        relay_down(visit);
    }
    if (visit->state == VISIT_JOINED) {
        want(visit);
    }
}
