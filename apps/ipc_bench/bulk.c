// What streams of data take: messages through a queue in shared memory, and folios whose handles move.
//
// Nothing is taken off here: the queue's figure has all that both sides do, writing and checking each message included.
#include "bulk.h"

#include <bench/bench.h>
#include <ipc.client.h>
#include <needs.h>
#include <ring/queue.h>

enum : uint64_t {
    QUEUE_LENGTH = 256,
    MESSAGES = 1000000,
    FOLIO_SIZE = 1 << 20,
    FOLIO_WORDS = FOLIO_SIZE / sizeof(uint64_t),
    FOLIOS = 4,
    MOVES = 1024, // of FOLIO_SIZE: 1 GiB
    KIB_MOVED = MOVES * FOLIO_SIZE / 1024,
    CHANNEL_SIZE = 4096,
    COPIED_MAX = 64, // bytes, by the calls that ask how much was copied
};
enum : uint32_t { KIND = 0x7ff00000 };

static poll_t poll; // watches the channel to the server, then the one through which folios go
static struct queue queue;
static uint64_t sent;
static folio_t folios[FOLIOS];

// --- A queue of messages ---

struct line {
    uint64_t words[QUEUE_WORDS];
};

static status_t publish(void) {
    return queue_publish(&queue) ? ipc_queue_kick_send(need_ipc()) : OK;
}

static status_t await_room(void) {
    TRY(publish());
    if (queue_sleep(&queue)) {
        TRY(poll_wait(poll, DEADLINE_NEVER));
        return thread_buffer->in.header.kind == IPC_QUEUE_WAKE ? OK : ERR_MALFORMED;
    }
    return OK;
}

static status_t send_message(void) {
    struct line message;
    for (size_t i = 0; i < QUEUE_WORDS; i++) {
        message.words[i] = sent + i;
    }
    status_t status;
    while ((status = queue_put(&queue, &message, sizeof(message))) == ERR_FULL) {
        TRY(await_room());
    }
    sent += status == OK;
    return status;
}

static status_t stream(size_t messages) {
    struct ipc_queue_count_reply reply;
    for (size_t i = 0; i < messages; i++) {
        TRY(send_message());
    }
    TRY(publish());
    TRY(ipc_queue_count_call(need_ipc(), &reply, DEADLINE_NEVER));
    return reply.messages == sent && reply.wrong == 0 ? OK : ERR_IO;
}

status_t measure_queue_of_messages(void) {
    folio_t folio;
    TRY(queue_create(&queue, QUEUE_PRODUCER, QUEUE_LENGTH, &folio));
    TRY(ipc_queue_open_call(need_ipc(), &(struct ipc_queue_open) {.folio = folio, .length = QUEUE_LENGTH}, DEADLINE_NEVER));
    TRY(poll_create(&poll));
    TRY(poll_add(poll, need_ipc().handle, 0));
    nsec_t start = clock_ns();
    TRY(stream(MESSAGES));
    bench_log("queue_64_bytes", clock_ns() - start, MESSAGES);
    TRY(log_events("queue_64_bytes", stream));
    queue_close(&queue);
    return handle_close(poll.handle);
}

// --- Folios ---

static uint64_t word_of(uint64_t folio, uint64_t index) {
    return folio << 32 | index;
}

static status_t map(folio_t folio, uint64_t **out_words) {
    uint64_t address;
    TRY(vmspace_map(folio, 0, FOLIO_SIZE, MAP_READ | MAP_WRITE, &address));
    *out_words = (uint64_t *) (uintptr_t) address;
    return OK;
}

static status_t fill_folio(uint64_t folio) {
    uint64_t *words;
    TRY(folio_create(FOLIO_SIZE, 0, &folios[folio]));
    TRY(map(folios[folio], &words));
    for (uint64_t i = 0; i < FOLIO_WORDS; i++) {
        words[i] = word_of(folio, i);
    }
    return vmspace_unmap((uintptr_t) words);
}

// Here, and as the other component sees it.
static status_t check_folio(uint64_t folio) {
    uint64_t *words, sum = 0;
    bool is_whole = true;
    TRY(map(folios[folio], &words));
    for (uint64_t i = 0; i < FOLIO_WORDS; i++) {
        is_whole &= words[i] == word_of(folio, i);
        sum += words[i];
    }
    TRY(vmspace_unmap((uintptr_t) words));
    struct ipc_sum_reply reply;
    TRY(ipc_sum_call(need_ipc(), &(struct ipc_sum) {.folio = folios[folio]}, &reply, DEADLINE_NEVER));
    return is_whole && reply.sum == sum ? OK : ERR_IO;
}

// There, and back with the reply.
static status_t move_folios(channel_t channel) {
    for (uint64_t i = 0; i < MOVES; i++) {
        folio_t *folio = &folios[i % FOLIOS];
        struct message *out = message_out();
        out->header = (struct message_header) {.kind = KIND | MESSAGE_CALL, .handle_count = 1, .handles = {folio->handle}};
        TRY(channel_call(channel, DEADLINE_NEVER));
        folio->handle = message_reply()->header.handles[0];
    }
    return OK;
}

static status_t time_moves(void) {
    uint64_t ends;
    TRY(channel_create(CHANNEL_SIZE, &ends));
    channel_t channel = {(handle_t) ends};
    TRY(ipc_answer_send(need_ipc(), &(struct ipc_answer) {.channel = {(handle_t) (ends >> 32)}}));
    nsec_t start = clock_ns();
    TRY(move_folios(channel));
    bench_log("folio_kib", clock_ns() - start, KIB_MOVED);
    return handle_close(channel.handle);
}

// By the kernel, for both components.
static status_t count_copied(uint64_t *out_bytes) {
    struct ipc_copied_reply reply;
    struct process_info info;
    TRY(process_info((process_t) {HANDLE_INVALID}, &info));
    TRY(ipc_copied_call(need_ipc(), &reply, DEADLINE_NEVER));
    *out_bytes = info.copied_bytes + reply.bytes;
    return OK;
}

status_t measure_folios(void) {
    uint64_t before, after;
    for (uint64_t folio = 0; folio < FOLIOS; folio++) {
        TRY(fill_folio(folio));
    }
    TRY(count_copied(&before));
    TRY(time_moves());
    TRY(count_copied(&after));
    for (uint64_t folio = 0; folio < FOLIOS; folio++) {
        TRY(check_folio(folio));
    }
    return after - before <= COPIED_MAX ? OK : ERR_IO;
}
