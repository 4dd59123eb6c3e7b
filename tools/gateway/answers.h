// The gateway's own HTTP answers, for visitors whom no VM answers.
#pragma once

enum answer { ANSWER_BAD_GATEWAY, ANSWER_UNAVAILABLE, ANSWER_TIMEOUT, ANSWERS };

void answer_send(int descriptor, enum answer answer); // takes the connection, on which nothing was sent before
