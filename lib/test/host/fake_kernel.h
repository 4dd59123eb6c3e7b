// A kernel on the host for tests of components: channels, polls, timers, folios, enough of each to run the framework.
//
// Tests act as the supervisor and as peers: what is behind the other end of a channel is the test.
#pragma once

#include <starina/message.h>
#include <starina/types.h>

enum { FAKE_QUEUE_MAX = 32 };

// Forgets everything, makes the bootstrap channel and points the framework at this kernel.
void fake_kernel_reset(void);

// Ends of channels that tests hold are named by the same handles as the component's.
void fake_channel_pair(channel_t *component_end, channel_t *test_end);
void fake_channel_limit(channel_t test_end, size_t messages);       // so many fit into the queue towards this end
void fake_send(channel_t test_end, const struct message *message);  // from the test; the queue must have room
bool fake_receive(channel_t test_end, struct message *out_message); // to the test: false if nothing came
size_t fake_queued(channel_t test_end);                             // messages that the component has not taken
void fake_close(channel_t test_end);
bool fake_has_peer(channel_t test_end); // false: the component closed its end
channel_t fake_bootstrap(void);         // the supervisor's end

// Delivers events to the component until there are none. The clock stands still meanwhile.
void fake_run(void);
void fake_advance(nsec_t ns); // lets time pass, and runs

bool fake_is_open(handle_t handle);
size_t fake_open_handles(void);
size_t fake_wrong_closes(void);         // of handles that were not open
void fake_refuse_watches(bool refuses); // poll_add finds no memory
uint8_t *fake_folio_memory(folio_t folio);
size_t fake_mappings(void);
size_t fake_pins(void);              // of folios for devices
size_t fake_timer_sets(void);        // calls of timer_set so far
bool fake_exited(int64_t *out_code); // the component called process_exit, which ended fake_run
