// The supervisor's part, for tests of components on the fake kernel: start the component, give it clients and services.
//
//     fake_prepare();                          // the component of this program, before anything came
//     fake_start("note", "port=80\n");         // its start() runs
//     channel_t client = fake_client("postbox"); // the client's end; what is sent to it arrives with fake_run()
#pragma once

#include <test/host/fake_kernel.h>

void fake_prepare(void);
void fake_give(const struct message *event);           // any event from the supervisor; delivered by fake_run()
void fake_start(const char *name, const char *config); // delivers what was given before, too
channel_t fake_client(const char *service);            // the client's end of a new connection
channel_t fake_service(const char *name);              // the server's end of a service that the component needs
bool fake_is_ready(void);                              // it has said so since the last time this was asked
