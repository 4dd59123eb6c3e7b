// Connections that we have nothing more to say on: closing one with something unread would reset it and could destroy what the
// client has not read yet, so what it still sends is read and dropped for a while.
#pragma once

#include <stddef.h>

enum { LINGER_MAX = 1024 };

void linger_begin(int descriptor); // takes it, says that nothing more follows; closes the oldest if there are too many
size_t linger_count(void);
