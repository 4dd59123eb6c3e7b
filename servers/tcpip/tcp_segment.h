// How large the segments are that lwIP cuts a connection's data into.
#pragma once

#include <starina/types.h>

struct tcp_pcb;

// With a device that cuts segments lwIP need not cut them small: before more data is given to lwIP, makes its segments as
// large as the window that the connection has reached lets them be.
void tcp_segment_grow(struct tcp_pcb *pcb);

// What its segments have to be cut into when they are sent. 0: they are as small as the remote end wants them. Of any
// connection that lwIP sends for, even one that listens
uint16_t tcp_segment_cut(const struct tcp_pcb *pcb);

// Data in each segment that reaches the remote end, at most.
uint16_t tcp_segment_size(const struct tcp_pcb *pcb);
