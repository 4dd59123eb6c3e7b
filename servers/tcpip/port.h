// What is left to do after lwIP has got a packet.
#pragma once

// lwIP's list of connections may begin with the packet's own until lwIP has found that. Whether it did or not, the list
// must be whole again before anything else is done with it.
void port_restore_list(void);
