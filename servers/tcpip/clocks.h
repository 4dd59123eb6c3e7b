// lwIP's periodic work, done only while there is any: an idle stack sets no timer but a rare one.
//
// Every entry into lwIP lies between stack_enter and stack_leave (stack.h), which call clocks_begin and clocks_end.
#pragma once

void clocks_begin(void); // makes up for what was left out while idle
void clocks_end(void);   // starts the clocks of work that has come up

void clocks_expect_arp(void); // an ARP request went out: its answer is waited for in seconds, not minutes
