// echo_client: calls echo, waiting and not waiting, and checks what comes back.
#include <echo.client.h>
#include <needs.h>

enum { WAITING_CALLS = 8, BEGUN_CALLS = 8 };
enum : nsec_t { TIMEOUT_NS = 5 * NSEC_PER_SEC };

static size_t answered; // of the begun calls

static const bytes_t greeting = BYTES("Good morning. Do you copy?");

// A different part of the greeting for each call.
static status_t part_of_greeting(size_t call, bytes_t *out_part) {
    return bytes_slice(greeting, call, greeting.len - call, out_part);
}

static status_t check(size_t call, bytes_t came_back) {
    bytes_t sent;
    TRY(part_of_greeting(call, &sent));
    return bytes_equal(sent, came_back) ? OK : ERR_MALFORMED;
}

static status_t call_waiting(void) {
    for (size_t i = 0; i < WAITING_CALLS; i++) {
        struct echo_echo request;
        struct echo_echo_reply reply;
        TRY(part_of_greeting(i, &request.data));
        TRY(echo_echo_call(need_echo(), &request, &reply, TIMEOUT_NS));
        TRY(check(i, reply.data));
    }
    return OK;
}

static void on_echo(void *context, status_t status, const struct echo_echo_reply *reply) {
    (void) context;
    if (status == OK) {
        status = check(answered, reply->data);
    }
    if (status != OK) {
        log_error("call %zu: %s", answered, status_name(status));
        component_exit(1);
    }
    if (++answered == BEGUN_CALLS) {
        log_info("%d calls ok", WAITING_CALLS + BEGUN_CALLS);
        component_exit(0);
    }
}

static status_t start(void) {
    TRY(call_waiting());
    TRY(echo_attach_plain(need_echo()));
    for (size_t i = 0; i < BEGUN_CALLS; i++) {
        struct echo_echo request;
        TRY(part_of_greeting(i, &request.data));
        TRY(echo_echo_begin(need_echo(), &request, on_echo, nullptr));
    }
    return OK;
}

COMPONENT(echo_client, .start = start);
