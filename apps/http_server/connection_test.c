// The whole server between visitors of all kinds and its services.
// test-with: apps/http_server/http_server.c apps/http_server/connection.c apps/http_server/receive.c apps/http_server/send.c
// test-with: apps/http_server/request.c apps/http_server/response.c apps/http_server/conditions.c apps/http_server/date.c
// test-with: apps/http_server/answer_cache.c apps/http_server/target.c apps/http_server/text.c apps/http_server/test_body.c
// test-with: apps/http_server/body.c apps/http_server/machine_state.c apps/http_server/testing/visitor.c
#include "testing/visitor.h"

#include <stdio.h>
#include <string.h>

#include <test/test.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: t\r\n\r\n"

enum { CONNECTIONS_MAX = 128 };

static struct visitor visitor, visitors[CONNECTIONS_MAX + 1];

static bool set_up(void) {
    bool is_up = server_start();
    visitor_arrive(&visitor);
    return is_up;
}

TEST("a request is answered, and the next one over the same connection") {
    EXPECT(set_up());
    for (size_t i = 1; i <= 3; i++) {
        visitor_send(&visitor, GET("/test/100"));
        visitor_read(&visitor);
        EXPECT(visitor_has(&visitor, "HTTP/1.1 200 OK\r\n") && visitor.body_size == i * 100);
    }
    EXPECT(!visitor_is_closed(&visitor));
}

TEST("what was answered before is answered again, and only to who asks the same") {
    static const struct {
        const char *request, *head;
        size_t body_size;
    } cases[] = {
        {GET("/test/100"),
         "HTTP/1.1 200 OK\r\nServer: Starina\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\n", 100},
        {"HEAD /test/100 HTTP/1.1\r\nHost: t\r\n\r\n", "HTTP/1.1 200 OK\r\nServer: Starina\r\nContent-Type: ", 0},
        {GET("/test/1000"), "Content-Length: 1000\r\n\r\n", 1000},
        {GET("/test/100?"), "Content-Length: 100\r\n\r\n", 100},
        {GET("/test/x"), "HTTP/1.1 404 ", 0},
        {"PUT /test/100 HTTP/1.1\r\nHost: t\r\n\r\n", "HTTP/1.1 405 ", 0},
        {GET("/test/100"),
         "HTTP/1.1 200 OK\r\nServer: Starina\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\n", 100},
        {"GET /test/100 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
         "HTTP/1.1 200 OK\r\nServer: Starina\r\nConnection: close\r\n", 100},
    };
    EXPECT(set_up());
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        visitor.text_size = visitor.body_size = 0;
        visitor_send(&visitor, cases[i].request);
        visitor_read(&visitor);
        EXPECT(visitor_has(&visitor, cases[i].head) && visitor.body_size == cases[i].body_size);
    }
    EXPECT(visitor.was_finished);
}

// --- The end of a connection ---

TEST("a client that ends its side behind the request gets the whole response, and then the end") {
    EXPECT(set_up());
    visitor_send(&visitor, GET("/test/60000"));
    visitor_finish(&visitor);
    visitor_read(&visitor);
    EXPECT(visitor.body_size == 60000 && visitor.was_finished && visitor_is_closed(&visitor));
}

TEST("a client that ends its side within a request gets the end and nothing else") {
    static const char *const cut[] = {"GET / HT", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc"};
    EXPECT(set_up());
    for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
        visitor_arrive(&visitor);
        visitor_send(&visitor, cut[i]);
        visitor_finish(&visitor);
        visitor_read(&visitor);
        EXPECT(visitor.text_size == 0 && visitor.was_finished && visitor_is_closed(&visitor));
    }
}

TEST("an idle connection gets the end, and is closed when the client has ended too or lets it wait") {
    EXPECT(set_up());
    visitor_send(&visitor, GET("/test/10"));
    fake_advance(5 * NSEC_PER_SEC);
    visitor_read(&visitor);
    EXPECT(visitor.body_size == 10 && visitor.was_finished && !visitor_is_closed(&visitor));
    fake_advance(2 * NSEC_PER_SEC);
    EXPECT(visitor_is_closed(&visitor));
}

TEST("a client that ends while the last response waits for room is noticed at once") {
    EXPECT(set_up());
    visitor_read_nothing(&visitor);
    visitor_send(&visitor, "GET /test/10 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    visitor_finish(&visitor);
    visitor_read(&visitor);
    EXPECT(visitor.body_size == 10 && visitor.was_finished && visitor_is_closed(&visitor));
}

TEST("empty lines one after the other do not keep a connection") {
    EXPECT(set_up());
    for (int i = 0; i < 10; i++) {
        visitor_send(&visitor, i % 2 == 0 ? "\r" : "\n\r\n");
        fake_advance(NSEC_PER_SEC / 2);
    }
    visitor_read(&visitor);
    EXPECT(visitor.was_finished && visitor.text_size == 0);
}

TEST("a head in a trickle gets 408 when its time is over") {
    EXPECT(set_up());
    for (const char *byte = "\r\nGET / HTTP"; *byte != '\0'; byte++) {
        visitor_send(&visitor, (char[]) {*byte, '\0'});
        fake_advance(NSEC_PER_SEC / 4);
    }
    visitor_read(&visitor);
    EXPECT(visitor_has(&visitor, "HTTP/1.1 408 ") && visitor.was_finished);
}

// --- More connections than there are ---

static bool fill(size_t count, const char *request) {
    bool is_up = server_start();
    for (size_t i = 0; i < count; i++) {
        visitor_arrive(&visitors[i]);
        visitor_read_nothing(&visitors[i]);
        visitor_send(&visitors[i], request);
    }
    return is_up && server_waiting() == 0;
}

TEST("the connection that is idle for longest makes room for a new one, and gets the end") {
    EXPECT(fill(CONNECTIONS_MAX, ""));
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        EXPECT_EQ(visitor_is_closed(&visitors[i]), i == 0);
    }
    visitor_read(&visitors[0]);
    EXPECT(visitors[0].was_finished);
}

TEST("while all are busy a new connection waits, and is served as soon as one ends") {
    EXPECT(fill(CONNECTIONS_MAX, GET("/test/100000")));
    visitor_arrive(&visitor);
    EXPECT(server_waiting() == 1 && !visitor_is_closed(&visitor) && !visitor_is_closed(&visitors[CONNECTIONS_MAX - 1]));
    fake_close(visitors[5].stream);
    fake_run();
    visitor_send(&visitor, GET("/test/10"));
    visitor_read(&visitor);
    EXPECT(server_waiting() == 0 && visitor.body_size == 10);
}

TEST("while all are busy a new connection is served as soon as one has become idle") {
    EXPECT(fill(CONNECTIONS_MAX, GET("/test/100000")));
    visitor_arrive(&visitor);
    visitor_read(&visitors[5]);
    EXPECT(visitors[5].body_size == 100000 && visitors[5].was_finished && visitor_is_closed(&visitors[5]));
    EXPECT_EQ(server_waiting(), 0);
}

// --- The archive ---

TEST("a file goes out from where the archive's files were lent, and no more of the archive is") {
    EXPECT(set_up());
    visitor_send(&visitor, GET("/docs/"));
    visitor_read(&visitor);
    EXPECT(visitor_has(&visitor, "HTTP/1.1 200 ") && visitor.body_size == 4 && memcmp(visitor.body, "docs", 4) == 0);
    visitor_send(&visitor, "GET /docs/ HTTP/1.1\r\nHost: t\r\nRange: bytes=2-\r\n\r\n");
    visitor_read(&visitor);
    EXPECT(visitor_has(&visitor, "HTTP/1.1 206 ") && visitor.body_size == 6 && memcmp(visitor.body, "cs", 2) == 0);
}

// --- The machine's state ---

TEST("the machine's state reaches a client that was not ready to read it") {
    EXPECT(set_up());
    visitor_read_nothing(&visitor);
    visitor_send(&visitor, GET("/api/status"));
    size_t handles = fake_open_handles();
    EXPECT(server_give_state(OK));
    visitor_read(&visitor);
    EXPECT(visitor_has(&visitor, "HTTP/1.1 200 ") && visitor_has(&visitor, "\r\n\r\n{\"machine\":\""));
    EXPECT_EQ(fake_open_handles(), handles);
}

TEST("HEAD gets no body when the machine's state can't be had") {
    EXPECT(set_up());
    visitor_send(&visitor, "HEAD /api/status HTTP/1.1\r\nHost: t\r\n\r\n");
    EXPECT(server_give_state(ERR_IO));
    visitor_read(&visitor);
    EXPECT(visitor_has(&visitor, "HTTP/1.1 503 ") && strcmp(visitor.text + visitor.text_size - 4, "\r\n\r\n") == 0);
}

TEST("requests behind one for the machine's state wait outside") {
    EXPECT(set_up());
    visitor_send(&visitor, GET("/api/status"));
    for (int i = 0; i < 12; i++) { // a message each, of more than 12 KiB together
        static char padded[1024];
        int padding = snprintf(padded, sizeof(padded), "GET /test/1 HTTP/1.1\r\nHost: t\r\nX: %0900d\r\n\r\n", i);
        EXPECT(padding < (int) sizeof(padded));
        visitor_send(&visitor, padded);
    }
    EXPECT(server_give_state(OK));
    visitor_read(&visitor);
    EXPECT(!visitor_has(&visitor, " 431 ") && visitor.body_size >= 12);
    EXPECT(!visitor_is_closed(&visitor));
}

// --- Redirects ---

TEST("a redirect to a folder stays on this host, whatever the target looks like") {
    static const char *const requests[] = {GET("/docs"), GET("//evil.com/..%2fdocs"), GET("/%64ocs?x=http://evil.com")};
    EXPECT(set_up());
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        visitor_arrive(&visitor);
        visitor_send(&visitor, requests[i]);
        visitor_read(&visitor);
        EXPECT(visitor_has(&visitor, "HTTP/1.1 301 ") && visitor_has(&visitor, "\r\nLocation: /docs/\r\n"));
    }
}
