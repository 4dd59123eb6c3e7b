// test-with: apps/http_server/request.c apps/http_server/conditions.c apps/http_server/date.c apps/http_server/text.c
// Heads, bodies and conditions, as bytes.
#include "conditions.h"

#include <limits.h>

#include <test/test.h>

static struct request request;

static unsigned parse(const char *head) {
    bool is_whole = request_take_head(&request, bytes_from_string(head)) == strlen(head);
    return request.status == 0 && !is_whole ? UINT_MAX : request.status;
}

static unsigned parse_with(const char *fields) {
    static char head[512]; // the request points into it
    snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: t\r\n%s\r\n", fields);
    return parse(head);
}

static bool is(bytes_t bytes, const char *text) {
    return bytes_equal(bytes, bytes_from_string(text));
}

// --- Heads ---

TEST("a head ends with its empty line, wherever the bytes are cut") {
    bytes_t head = BYTES("GET / HTTP/1.1\r\nHost: t\r\n\r\nGET");
    for (size_t length = 0; length <= head.len; length++) {
        size_t end = request_take_head(&request, (bytes_t) {head.ptr, length});
        EXPECT_EQ(end, length >= head.len - 3 ? head.len - 3 : 0);
        EXPECT_EQ(request.status, 0);
        EXPECT_EQ(request.is_head_complete, end > 0);
    }
}

TEST("what no line can begin with is refused before the head is complete") {
    static const bytes_t wrong[] = {BYTES("GET / HTTP/1.1\n"),
                                    BYTES("GET / HTTP/1.1\rHost"),
                                    BYTES("G\0"),
                                    BYTES("GET / HTTP/1.1\r\nHost: a\nb"),
                                    BYTES("GET /a b HTTP/1.1\r\n"),
                                    BYTES("GET / HTTP/1.1\r\n folded\r\n")};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT_EQ(request_take_head(&request, wrong[i]), 0);
        EXPECT_EQ(request.status, 400);
    }
}

TEST("a control character is refused wherever it stands in a field's value, and a tab is not") {
    static const char value[] = "a value of more than sixteen bytes";
    for (size_t at = 0; at < sizeof(value) - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char head[96];
            size_t length = (size_t) snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: t\r\nX:%s\r\n\r\n", value);
            head[length - sizeof(value) - 3 + at] = (char) byte;
            bool is_value = byte == '\t' || (byte >= ' ' && byte != 0x7f);
            EXPECT_EQ(request_take_head(&request, (bytes_t) {(uint8_t *) head, length}), is_value ? length : 0);
            EXPECT_EQ(request.status, is_value ? 0 : 400);
        }
    }
}

TEST("an endless line and an endless head are refused as soon as they are too long") {
    static uint8_t line[HEAD_MAX], head[HEAD_MAX];
    __builtin_memset(line, 'a', sizeof(line));
    EXPECT_EQ(request_take_head(&request, (bytes_t) {line, TARGET_MAX + 40}), 0);
    EXPECT_EQ(request.status, 414);
    for (size_t i = 0; i + 8 <= sizeof(head); i += 8) {
        __builtin_memcpy(head + i, "a: bcd\r\n", 8);
    }
    __builtin_memcpy(head, "G / HTTP/1.1\r\nab", 16);
    EXPECT_EQ(request_take_head(&request, (bytes_t) {head, sizeof(head)}), 0);
    EXPECT_EQ(request.status, 431);
}

TEST("a request's parts are found") {
    EXPECT_EQ(parse_with("If-None-Match: \"a\" \r\nRANGE: bytes=1-2\r\n"), 0);
    EXPECT(request.method == METHOD_GET && request.keeps_alive && !request.has_body);
    EXPECT(is(request.target, "/") && is(request.host, "t"));
    EXPECT(is(request.if_none_match, "\"a\"") && is(request.range, "bytes=1-2"));
}

TEST("what two servers could understand differently is refused") {
    static const struct {
        const char *fields;
        unsigned status;
    } cases[] = {
        {"Host: u\r\n", 400},
        {"Content-Length: 1\r\nContent-Length: 2\r\n", 400},
        {"Content-Length: 1, 1\r\n", 400},
        {"Content-Length: +1\r\n", 400},
        {"Content-Length: -1\r\n", 400},
        {"Content-Length: 0x1\r\n", 400},
        {"Content-Length: 99999999999999999999\r\n", 400},
        {"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Transfer-Encoding: gzip\r\n", 501},
        {"Content-Length : 1\r\n", 400},
        {" folded: line\r\n", 400},
        {"no colon\r\n", 400},
        {": no name\r\n", 400},
        {"Content-Length: 65537\r\n", 413},
        {"Expect: something\r\n", 417},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EXPECT_EQ(parse_with(cases[i].fields), cases[i].status);
    }
}

TEST("request lines are taken exactly") {
    static const struct {
        const char *head;
        unsigned status;
    } cases[] = {
        {"GET / HTTP/1.0\r\n\r\n", 0},    {"GET / HTTP/1.1\r\n\r\n", 400}, // no host
        {"GET  / HTTP/1.0\r\n\r\n", 400}, {"GET /  HTTP/1.0\r\n\r\n", 400}, {"GET / a HTTP/1.0\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},           {"GET / HTTP/2.0\r\n\r\n", 505},  {"GET / HTTP/11\r\n\r\n", 400},
        {"GET / http/1.0\r\n\r\n", 400},  {"BREW / HTTP/1.0\r\n\r\n", 501}, {"G@T / HTTP/1.0\r\n\r\n", 400},
        {"/ HTTP/1.0\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EXPECT_EQ(parse(cases[i].head), cases[i].status);
    }
}

// Gives the body in pieces, as a connection does: what was not taken comes again with the next. Returns how much was.
static size_t take_body(bytes_t body, size_t piece) {
    size_t used = 0;
    (void) parse_with("Transfer-Encoding: chunked\r\n");
    for (size_t come = 0; come < body.len && !request.is_complete && request.status == 0;) {
        come = body.len - come < piece ? body.len : come + piece;
        used += request_take_body(&request, (bytes_t) {body.ptr + used, come - used});
    }
    return used;
}

TEST("a chunked body ends where it ends, in whatever pieces it comes") {
    static const bytes_t bodies[] = {BYTES("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\nGET"),
                                     BYTES("5\r\nabcde\r\n0\r\n\r\nGET")};
    for (size_t i = 0; i < 2; i++) {
        for (size_t piece = 1; piece <= bodies[i].len; piece++) {
            EXPECT_EQ(take_body(bodies[i], piece), bodies[i].len - 3);
            EXPECT(request.is_complete && request.status == 0 && request.body_size == 5);
        }
    }
}

TEST("bad chunks are refused") {
    static const char *const wrong[] = {"x\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "1\r\nab\r\n", "3\r\nab\r\n0\r\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        (void) take_body(bytes_from_string(wrong[i]), SIZE_MAX);
        EXPECT_EQ(request.status, 400);
    }
}

TEST("fields behind a chunked body are checked like those of a head") {
    static const char *const wrong[] = {"0\r\nX : y\r\n\r\n", "0\r\n: y\r\n\r\n",        "0\r\nX\r\n\r\n",
                                        "0\r\n X: y\r\n\r\n", "0\r\nX: y\r\n z\r\n\r\n", "0\r\nX: \x01\r\n\r\n",
                                        "0\r\nX: y\n\r\n",    "0\r\nX(: y\r\n\r\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        (void) take_body(bytes_from_string(wrong[i]), SIZE_MAX);
        EXPECT_EQ(request.status, 400);
    }
}

TEST("what stands around chunks is bounded as they are") {
    static uint8_t body[300000];
    __builtin_memset(body, 'x', sizeof(body));
    __builtin_memcpy(body, "1;", 2);
    EXPECT(take_body((bytes_t) {body, sizeof(body)}, 1000) < 200000);
    EXPECT_EQ(request.status, 413);
    __builtin_memcpy(body, "0\r\nX: ", 6);
    EXPECT(take_body((bytes_t) {body, sizeof(body)}, 1000) < 200000);
    EXPECT_EQ(request.status, 431);
    for (size_t i = 0; i + 6 <= sizeof(body); i += 6) {
        __builtin_memcpy(body + i, "1\r\nx\r\n", 6);
    }
    EXPECT(take_body((bytes_t) {body, sizeof(body)}, 1000) < 200000);
    EXPECT_EQ(request.status, 413);
}

TEST("HTTP/1.0 with a transfer coding ends the connection") {
    EXPECT_EQ(parse("POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"), 0);
    EXPECT(!request.keeps_alive);
    EXPECT_EQ(parse("POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n"), 0);
    EXPECT(request.keeps_alive);
}

TEST("a host is a name or an address, with a port or without") {
    static const struct {
        const char *host;
        unsigned status;
    } cases[] = {{"", 0},      {"a", 0},       {"a.example:8080", 0}, {"[::1]:80", 0}, {"10.0.2.15", 0},
                 {"a b", 400}, {"a/b", 400},   {"a@b", 400},          {"a\tb", 400},   {"a?b", 400},
                 {"a#", 400},  {"\"a\"", 400}, {"a\\b", 400},         {"<a>", 400},    {"\xc3\xa4", 400}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static char head[128];
        snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].host);
        EXPECT_EQ(parse(head), cases[i].status);
    }
}

TEST("mutated heads are never read past their end") {
    static const char head[] =
        "POST /a%20b?c HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nIf-Range: \"x\"\r\nExpect: 100-continue\r\n\r\n";
    uint32_t random = 1;
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = sizeof(head) - 1;
        uint8_t *copy = __builtin_malloc(length); // the sanitizer watches its end
        __builtin_memcpy(copy, head, length);
        for (unsigned i = 0; i < 3; i++) {
            random = random * 1664525 + 1013904223;
            copy[(random >> 8) % length] = (uint8_t) (random >> 24);
        }
        size_t end = request_take_head(&request, (bytes_t) {copy, length});
        EXPECT(end == 0 || request.status != 0 || request.is_head_complete);
        __builtin_free(copy);
    }
}

// --- Conditions and ranges ---

static unsigned conditions(const char *fields) {
    struct validators validators = validators_of(0xabc, 784111777);
    (void) parse_with(fields);
    return conditions_status(&request, &validators);
}

TEST("conditions are decided by the entity tag before the date") {
    static const char tag[] = "\"0000000000000abc\"";
    char fields[128];
    EXPECT_EQ(conditions(""), 0);
    snprintf(fields, sizeof(fields), "If-None-Match: \"x\", W/%s\r\n", tag);
    EXPECT_EQ(conditions(fields), 304);
    EXPECT_EQ(conditions("If-None-Match: \"x\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 0);
    EXPECT_EQ(conditions("If-None-Match: *\r\n"), 304);
    EXPECT_EQ(conditions("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 304);
    EXPECT_EQ(conditions("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n"), 0);
    EXPECT_EQ(conditions("If-Modified-Since: yesterday\r\n"), 0);
    EXPECT_EQ(conditions("If-Match: \"x\"\r\n"), 412);
    EXPECT_EQ(conditions("If-Match: *\r\n"), 0);
    snprintf(fields, sizeof(fields), "If-Match: W/%s\r\n", tag);
    EXPECT_EQ(conditions(fields), 412); // weak tags do not count here
    EXPECT_EQ(conditions("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n"), 412);
    EXPECT_EQ(conditions("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 0);
}

TEST("ranges are cut to what is there") {
    static const struct {
        const char *range;
        uint64_t size;
        unsigned status;
        uint64_t first, length;
    } cases[] = {
        {"bytes=0-0", 100, 206, 0, 1},     {"bytes=10-19", 100, 206, 10, 10},
        {"bytes=90-", 100, 206, 90, 10},   {"bytes=90-1000", 100, 206, 90, 10},
        {"bytes=-10", 100, 206, 90, 10},   {"bytes=-1000", 100, 206, 0, 100},
        {"bytes=100-", 100, 416, 0, 100},  {"bytes=-0", 100, 416, 0, 100},
        {"bytes=0-", 0, 416, 0, 0},        {"bytes=18446744073709551615-", 100, 416, 0, 100},
        {"bytes=20-10", 100, 200, 0, 100}, {"bytes=0-1,3-4", 100, 200, 0, 100},
        {"bytes=a-b", 100, 200, 0, 100},   {"bytes=-", 100, 200, 0, 100},
        {"bytes=", 100, 200, 0, 100},      {"bytes=99999999999999999999-", 100, 200, 0, 100},
        {"lines=1-2", 100, 200, 0, 100},
    };
    struct validators validators = validators_of(1, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char fields[64];
        uint64_t first, length;
        snprintf(fields, sizeof(fields), "Range: %s\r\n", cases[i].range);
        (void) parse_with(fields);
        EXPECT_EQ(conditions_range(&request, &validators, cases[i].size, &first, &length), cases[i].status);
        EXPECT(first == cases[i].first && length == cases[i].length);
    }
}
