// ipc_bench: measures system calls and messages. Under `--icount` a nanosecond is an instruction.
//
// Each figure is the median of several rounds, in hundredths of an instruction per operation, less what the same loop takes
// with a call of an empty function in place of the system call. The lines that it logs are read by tools/bench/ipc.py.
#include "bulk.h"

#include <bench/bench.h>
#include <ipc.client.h>
#include <needs.h>

enum { OPERATIONS = 1000 };
enum : uint32_t { KIND = 0x7ff00000, QUEUE_SIZE = 65536 };

struct subject {
    const char *name;
    run *with, *without; // without the system call; nullptr: nothing is taken off
};

static channel_t channel, other_end;
static poll_t poll;
static ktimer_t moved;

// --- What is measured ---

static status_t nothing(void) {
    return OK;
}
static status_t (*volatile do_nothing)(void) = nothing;

static status_t no_calls(size_t operations) {
    for (size_t i = 0; i < operations; i++) {
        TRY(do_nothing());
    }
    return OK;
}

static status_t null_calls(size_t operations) {
    for (size_t i = 0; i < operations; i++) {
        TRY(trace_write(0, i));
    }
    return OK;
}

static inline void write_message(uint32_t class, size_t words, uint16_t handle_count) {
    struct message *out = message_out();
    out->header.kind = KIND | class;
    out->header.transaction = 0;
    out->header.status = OK;
    out->header.length = (uint16_t) (words * sizeof(uint64_t));
    out->header.handle_count = handle_count;
    uint64_t *data = (uint64_t *) out->data;
    for (size_t i = 0; i < words; i++) {
        data[i] = i;
    }
}

static inline status_t messages(size_t operations, size_t words) {
    for (size_t i = 0; i < operations; i++) {
        write_message(MESSAGE_CALL, words, 0);
        TRY(do_nothing());
    }
    return OK;
}

static status_t empty_messages(size_t operations) {
    return messages(operations, 0);
}

static status_t word_messages(size_t operations) {
    return messages(operations, 4);
}

static status_t line_messages(size_t operations) {
    return messages(operations, 8);
}

static status_t sends(size_t operations) {
    for (size_t i = 0; i < operations; i++) {
        write_message(MESSAGE_SEND, 4, 0);
        TRY(channel_send(channel));
    }
    return OK;
}

static status_t receives(size_t operations) {
    for (size_t i = 0; i < operations; i++) {
        TRY(poll_wait(poll, 0));
    }
    return OK;
}

static inline status_t calls(size_t operations, size_t words) {
    for (size_t i = 0; i < operations; i++) {
        write_message(MESSAGE_CALL, words, 0);
        TRY(channel_call(channel, DEADLINE_NEVER));
    }
    return OK;
}

static status_t empty_calls(size_t operations) {
    return calls(operations, 0);
}

static status_t word_calls(size_t operations) {
    return calls(operations, 4);
}

static status_t line_calls(size_t operations) {
    return calls(operations, 8);
}

static status_t timed_calls(size_t operations) {
    for (size_t i = 0; i < operations; i++) {
        write_message(MESSAGE_CALL, 4, 0);
        TRY(channel_call(channel, clock_ns() + NSEC_PER_SEC));
    }
    return OK;
}

static status_t moving_calls(size_t operations) {
    for (size_t i = 0; i < operations; i++) {
        write_message(MESSAGE_CALL, 0, 1);
        message_out()->header.handles[0] = moved.handle;
        TRY(channel_call(channel, DEADLINE_NEVER));
        moved.handle = message_reply()->header.handles[0];
    }
    return OK;
}

static status_t round_trips(size_t operations) {
    for (size_t i = 0; i < operations; i++) {
        write_message(MESSAGE_CALL, 4, 0);
        TRY(channel_send(channel));
        TRY(poll_wait(poll, DEADLINE_NEVER));
    }
    return OK;
}

static status_t generated_calls(size_t operations) {
    for (size_t i = 0; i < operations; i++) {
        struct ipc_add request = {1, 2, i, i};
        struct ipc_add_reply reply;
        TRY(ipc_add_call(need_ipc(), &request, &reply, DEADLINE_NEVER));
    }
    return OK;
}

// --- How ---

static status_t time_of(run *run, uint64_t *out_ns) {
    nsec_t start = clock_ns();
    TRY(run(OPERATIONS));
    *out_ns = clock_ns() - start;
    return OK;
}

static status_t median_of(run *run, uint64_t *out_ns) {
    uint64_t times[BENCH_ROUNDS];
    for (size_t round = 0; round < BENCH_ROUNDS; round++) {
        TRY(time_of(run, &times[round]));
    }
    *out_ns = bench_middle(times);
    return OK;
}

status_t log_events(const char *name, run *run) {
    struct system_info before, after;
    struct process_info own_before, own_after;
    TRY(system_info(&before));
    TRY(process_info((process_t) {HANDLE_INVALID}, &own_before));
    TRY(run(OPERATIONS));
    TRY(process_info((process_t) {HANDLE_INVALID}, &own_after));
    TRY(system_info(&after));
    log_info("events %s calls %lu spaces %lu switches %lu interrupts %lu ipis %lu faults %lu", name,
             own_after.system_calls - own_before.system_calls - 1, after.address_space_switches - before.address_space_switches,
             after.context_switches - before.context_switches, after.interrupts - before.interrupts, after.ipis - before.ipis,
             own_after.page_faults - own_before.page_faults);
    return OK;
}

static status_t measure(const struct subject *subject) {
    uint64_t with, without = 0;
    TRY(median_of(subject->with, &with));
    if (subject->without != nullptr) {
        TRY(median_of(subject->without, &without));
    }
    bench_log(subject->name, with - without, OPERATIONS);
    return log_events(subject->name, subject->with);
}

static status_t open_pair(bool watch_own) {
    uint64_t ends;
    TRY(channel_create(QUEUE_SIZE, &ends));
    channel = (channel_t) {(handle_t) ends};
    other_end = (channel_t) {(handle_t) (ends >> 32)};
    TRY(poll_create(&poll));
    return poll_add(poll, watch_own ? channel.handle : other_end.handle, 0);
}

static void close_pair(void) {
    (void) handle_close(poll.handle);
    (void) handle_close(channel.handle);
}

// The queue takes one round of messages, which are then received.
static status_t measure_queue(void) {
    TRY(open_pair(false));
    uint64_t send_times[BENCH_ROUNDS], receive_times[BENCH_ROUNDS], sending, receiving;
    for (size_t round = 0; round < BENCH_ROUNDS; round++) {
        TRY(time_of(sends, &send_times[round]));
        TRY(time_of(receives, &receive_times[round]));
    }
    TRY(median_of(word_messages, &sending));
    TRY(median_of(no_calls, &receiving));
    bench_log("send_4_words", bench_middle(send_times) - sending, OPERATIONS);
    bench_log("receive_4_words", bench_middle(receive_times) - receiving, OPERATIONS);
    close_pair();
    return handle_close(other_end.handle);
}

static status_t measure_served(const struct subject *subjects, size_t count, struct ipc_answer how) {
    TRY(open_pair(true));
    how.channel = other_end;
    TRY(ipc_answer_send(need_ipc(), &how));
    for (size_t i = 0; i < count; i++) {
        TRY(measure(&subjects[i]));
    }
    close_pair();
    return OK;
}

static status_t start(void) {
    static const struct subject null = {"null", null_calls, no_calls};
    static const struct subject bare[] = {
        {"call_0_words", empty_calls, empty_messages},   {"call_4_words", word_calls, word_messages},
        {"call_64_bytes", line_calls, line_messages},    {"call_4_words_timed", timed_calls, word_messages},
        {"call_1_handle", moving_calls, empty_messages},
    };
    static const struct subject direct[] = {
        {"upcall_4_words", word_calls, word_messages},
        {"upcall_4_words_timed", timed_calls, word_messages},
    };
    static const struct subject direct_line = {"upcall_64_bytes", line_calls, line_messages};
    static const struct subject separate = {"send_wait_4_words", round_trips, word_messages};
    static const struct subject generated = {"generated_call_4_words", generated_calls, nullptr};
    TRY(timer_create(&moved));
    TRY(measure(&null));
    TRY(measure_queue());
    TRY(measure_served(bare, sizeof(bare) / sizeof(bare[0]), (struct ipc_answer) {}));
    TRY(measure_served(direct, sizeof(direct) / sizeof(direct[0]), (struct ipc_answer) {.upcall_words = 4}));
    TRY(measure_served(&direct_line, 1, (struct ipc_answer) {.upcall_words = 8}));
    TRY(measure_served(&separate, 1, (struct ipc_answer) {.separate_calls = true}));
    TRY(measure(&generated));
    TRY(measure_queue_of_messages());
    TRY(measure_folios());
    log_info("done");
    component_exit(0);
}

COMPONENT(ipc_bench, .start = start);
