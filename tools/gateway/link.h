// The link to a VM: records over a socket, with one fixed buffer each way.
#pragma once

#include "events.h"
#include "record.h"

enum { LINK_BUFFER_SIZE = 64 * 1024, LINK_MEMORY = 2 * LINK_BUFFER_SIZE };
enum { LINK_PAYLOAD_MAX = LINK_BUFFER_SIZE - RECORD_HEADER_SIZE };

struct link {
    struct source source;
    struct buffer up;   // to the VM: one record at a time
    struct buffer down; // from the VM
    struct record_parser parser;
    bool is_deaf;    // the VM takes nothing more
    bool is_hung_up; // the VM's end is closed; what it sent before can still be read
};

enum link_result {
    LINK_DONE,
    LINK_WAITS, // for the other end
    LINK_ENDED, // the other end is closed
};

// False: the system can't watch it; the link is open all the same.
bool link_open(struct link *link, int descriptor, uint8_t memory[LINK_MEMORY], void (*on_event)(struct source *, uint32_t));
void link_close(struct link *link);

uint8_t *link_payload(struct link *link);                               // where the next record's payload is put; up is empty
void link_put(struct link *link, enum record_type type, size_t length); // the record of that payload
enum link_result link_send(struct link *link);                          // what was put
enum link_result link_receive(struct link *link);                       // down is empty before, and not after LINK_DONE

// Tells the link of an event, and what to be told next.
void link_note(struct link *link, uint32_t events);
void link_want(struct link *link, bool wants_records);
