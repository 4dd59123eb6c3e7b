// Visits: from an accepted connection until its VM is ended and the client told.
#pragma once

#include "deadlines.h"
#include "events.h"
#include "header.h"
#include "metrics.h"
#include "options.h"
#include "vm.h"

enum visit_state : uint8_t { VISIT_FREE, VISIT_WAITING, VISIT_JOINED };

struct visit {
    enum visit_state state;
    bool has_client_ended; // it sends no more
    bool has_vm_ended;     // it sends no more
    bool is_blocked;       // the client takes no more for now
    uint64_t number;
    struct sockaddr_in address;
    struct source client;
    struct deadline deadline;
    struct visit *next; // in the queue
    struct vm *vm;
    struct header header;
    uint64_t bytes_in, bytes_out;
    uint64_t began_at_ns, joined_at_ns, last_byte_at_ns;
};

bool visits_begin(const struct options *options);                    // false: no memory
void visit_begin(int descriptor, const struct sockaddr_in *address); // takes the connection
size_t visits_count(void);
void visits_refuse_more(void); // from now on
void visits_end_all(void);     // the drain is over

int visit_release(struct visit *visit); // ends its VM, frees it, and returns its connection, which is the caller's now

// How a visit ends. It is gone afterwards.
void visit_end_served(struct visit *visit);
void visit_end_left(struct visit *visit);   // the client reset its connection
void visit_end_silent(struct visit *visit); // neither said anything, as when a browser connects in advance
void visit_end_refused(struct visit *visit, enum refusal refusal);
void visit_end_failed(struct visit *visit, enum failure failure); // of FAILED_START, errno says why
void visit_refuse_at_once(int descriptor, uint64_t number, const struct sockaddr_in *address, enum refusal refusal);

extern const struct vm_owner visits_vm_owner;
