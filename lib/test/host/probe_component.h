// A component for the framework's tests, which provides `probe`, with what they need to play its supervisor and peers.
#pragma once

#include <probe.client.h>

#include <test/host/fake_supervisor.h>

enum { PROBE_WAITING_MAX = 4, PROBE_CLIENTS = 3 };

struct client {
    uint32_t requests;
};

// What the component did, and how it shall behave.
struct probe_record {
    probe_later_token_t waiting[PROBE_WAITING_MAX];
    size_t waiting_count;
    size_t disconnects;
    size_t writables;
    folio_t kept;
    status_t start_status;
    bool pauses_clients; // when they connect
    handle_t object;     // some object of the component's, to be sent
};
extern struct probe_record probe;

void probe_writable(struct client *client);
status_t probe_serve_channel(channel_t channel, struct client *client, void (*on_closed)(struct client *),
                             void (*on_writable)(struct client *));

void set_up(void);                   // a component that has not got anything yet
channel_t set_up_with_client(void);  // started, with one client: the client's end
channel_t set_up_with_service(void); // started, with the service "probe": the server's end
void give_start(void);
channel_t give_client(void);
channel_t give_service(void);

void send_empty(channel_t client, uint32_t kind); // with transaction 5
void send_add(channel_t client, uint32_t transaction, uint32_t a, uint32_t b);
bool receive_sum(channel_t client, uint32_t transaction, uint32_t sum);
bool receive_status(channel_t client, status_t status);
