// Sends short answers whole: they fit into any fresh socket's buffer. Trusts clients with nothing; they are not even read.
#include "answers.h"

#include "linger.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { ANSWER_MAX = 512, RETRY_AFTER_SECONDS = 2 };

struct text {
    const char *status;
    const char *body;
};

static const struct text TEXTS[ANSWERS] = {
    [ANSWER_BAD_GATEWAY] = {"502 Bad Gateway", "The machine that was booted for you failed. Please try again.\n"},
    [ANSWER_UNAVAILABLE] = {"503 Service Unavailable", "All machines are taken. Please try again in a moment.\n"},
    [ANSWER_TIMEOUT] = {"504 Gateway Timeout", "The machine that was booted for you did not answer in time.\n"},
};

void answer_send(int descriptor, enum answer answer) {
    const struct text *text = &TEXTS[answer];
    char retry[32] = "", all[ANSWER_MAX];
    if (answer == ANSWER_UNAVAILABLE) {
        snprintf(retry, sizeof(retry), "Retry-After: %d\r\n", RETRY_AFTER_SECONDS);
    }
    int length = snprintf(all, sizeof(all),
                          "HTTP/1.1 %s\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                          "Cache-Control: no-store\r\nConnection: close\r\n\r\n%s",
                          text->status, retry, strlen(text->body), text->body);
    (void) send(descriptor, all, (size_t) length, MSG_NOSIGNAL | MSG_DONTWAIT); // a client that left needs no answer
    linger_begin(descriptor);
}
