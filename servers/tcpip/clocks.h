// lwIP's periodic work, done when it is due: an idle stack without connections sets no timer but for its lease.
//
// Every entry into lwIP lies between stack_enter and stack_leave (stack.h), which call clocks_begin and clocks_end.
#pragma once

void clocks_begin(void); // makes up for what was left out while idle
void clocks_end(void);   // starts the clocks of work that has come up

// An ARP request for this address went out: its answer is waited for in seconds, not minutes.
void clocks_expect_arp(uint32_t address);
