// Sends TCP segments for devices that don't cut them or fill in their checksums.
#pragma once

#include "offload.h"

enum { CUT_PIECES_MAX = 24 }; // of one segment

// Gives the driver all frames of a packet that lwIP is just sending. ERR_FULL: there is no place for all of them now
status_t cut_output(const struct pbuf *packet, const struct sending *sending);
