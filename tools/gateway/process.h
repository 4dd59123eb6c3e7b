// Starts a VM's process.
#pragma once

#include <stdint.h>
#include <sys/types.h>

enum { LINK_DESCRIPTOR = 3 }; // the VM's end of the link

struct process {
    pid_t pid;
    int handle;  // a pidfd
    int link;    // our ends
    int console; // stdout and stderr
};

void process_begin(char **command, uint64_t memory_bytes); // what is started from here on

// False: errno says why, and nothing is left. A command that can't be run says so on its console and ends.
bool process_start(struct process *out_process);
void process_kill(pid_t pid); // with all that it started in its session
