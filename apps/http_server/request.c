// Requests, parsed by llhttp. What it lets pass but two servers could understand differently is refused before.
#include "request.h"

// --- What bytes may be ---

enum : uint8_t {
    BYTE_TOKEN = 1, // of names and methods (RFC 9110, section 5.6.2)
    BYTE_HOST = 2,  // of a host's name and a port (RFC 3986, section 3.2.2)
    BYTE_VALUE = 4, // of a field's value, and of any line
    ALPHANUMERIC = BYTE_TOKEN | BYTE_HOST | BYTE_VALUE,
};

// Later lines win.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winitializer-overrides"
static const uint8_t byte_classes[256] = {
    ['\t'] = BYTE_VALUE,
    [' ' ... '~'] = BYTE_VALUE,
    [0x80 ... 0xff] = BYTE_VALUE,
    ['0' ... '9'] = ALPHANUMERIC,
    ['A' ... 'Z'] = ALPHANUMERIC,
    ['a' ... 'z'] = ALPHANUMERIC,
    ['!'] = ALPHANUMERIC,
    ['$'] = ALPHANUMERIC,
    ['%'] = ALPHANUMERIC,
    ['&'] = ALPHANUMERIC,
    ['\''] = ALPHANUMERIC,
    ['*'] = ALPHANUMERIC,
    ['+'] = ALPHANUMERIC,
    ['-'] = ALPHANUMERIC,
    ['.'] = ALPHANUMERIC,
    ['_'] = ALPHANUMERIC,
    ['~'] = ALPHANUMERIC,
    ['#'] = BYTE_TOKEN | BYTE_VALUE,
    ['^'] = BYTE_TOKEN | BYTE_VALUE,
    ['`'] = BYTE_TOKEN | BYTE_VALUE,
    ['|'] = BYTE_TOKEN | BYTE_VALUE,
    ['('] = BYTE_HOST | BYTE_VALUE,
    [')'] = BYTE_HOST | BYTE_VALUE,
    [','] = BYTE_HOST | BYTE_VALUE,
    [';'] = BYTE_HOST | BYTE_VALUE,
    ['='] = BYTE_HOST | BYTE_VALUE,
    [':'] = BYTE_HOST | BYTE_VALUE,
    ['['] = BYTE_HOST | BYTE_VALUE,
    [']'] = BYTE_HOST | BYTE_VALUE,
};
#pragma clang diagnostic pop

// How many of the text's first bytes are of a class.
static size_t length_of(bytes_t text, uint8_t class) {
    size_t length = 0;
    while (length < text.len && (byte_classes[text.ptr[length]] & class) != 0) {
        length++;
    }
    return length;
}

// The high bit of the first byte that is a control character; of those behind it, it may be of others too.
static uint64_t controls_of(uint64_t eight_bytes) {
    enum : uint64_t { EACH = 0x0101010101010101, HIGH_BITS = 0x80 * EACH };
    uint64_t deleted = eight_bytes ^ 0x7f * EACH;
    return (((eight_bytes - ' ' * EACH) & ~eight_bytes) | ((deleted - EACH) & ~deleted)) & HIGH_BITS;
}

// How many of the text's first bytes a line may hold. Most lines are long, so eight bytes at a time.
static size_t length_of_line(bytes_t text) {
    size_t length = 0;
    for (uint64_t word; text.len - length >= sizeof(word);) {
        __builtin_memcpy(&word, text.ptr + length, sizeof(word));
        uint64_t controls = controls_of(word);
        if (controls == 0) {
            length += sizeof(word);
            continue;
        }
        length += (size_t) __builtin_ctzll(controls) / 8;
        if (text.ptr[length] != '\t') {
            return length;
        }
        length++;
    }
    return length + length_of((bytes_t) {text.ptr + length, text.len - length}, BYTE_VALUE);
}

// --- Lines: what llhttp lets pass, but must not be ---

// "GET /path HTTP/1.1": single spaces. Another version of HTTP is another error than garbage.
static unsigned check_request_line(bytes_t line) {
    enum : size_t { VERSION_SIZE = 9 }; // " HTTP/1.1"
    size_t method = length_of(line, BYTE_TOKEN);
    if (method == 0 || line.len < method + 2 + VERSION_SIZE) {
        return 400;
    }
    size_t target_end = line.len - VERSION_SIZE, at = method + 1;
    while (at < target_end && (uint8_t) (line.ptr[at] - '!') <= '~' - '!') {
        at++;
    }
    const uint8_t *version = line.ptr + target_end;
    bool is_version = bytes_equal((bytes_t) {version, 6}, BYTES(" HTTP/")) && version[6] >= '0' && version[6] <= '9' &&
                      version[7] == '.' && version[8] >= '0' && version[8] <= '9';
    if (line.ptr[method] != ' ' || at != target_end || !is_version) {
        return 400;
    }
    return version[6] == '1' ? 0 : 505;
}

// "Name: value". A line that begins with a space once went on with the one before; servers differ in what they make of it.
static unsigned check_field_line(bytes_t line) {
    size_t name = length_of(line, BYTE_TOKEN);
    return name > 0 && name < line.len && line.ptr[name] == ':' ? 0 : 400;
}

// Finds a line and returns its size with its end, or 0 if that has not come or what has come is no line.
static size_t take_line(bytes_t received, bytes_t *out_line, unsigned *out_status) {
    *out_line = (bytes_t) {received.ptr, length_of_line(received)};
    const uint8_t *end = out_line->ptr + out_line->len;
    size_t left = received.len - out_line->len;
    if (left >= 2 && end[0] == '\r' && end[1] == '\n') {
        return out_line->len + 2;
    }
    if (left >= 2 || (left == 1 && end[0] != '\r')) {
        *out_status = 400;
    }
    return 0;
}

static size_t take_request_line(bytes_t received, unsigned *out_status) {
    bytes_t line;
    size_t size = take_line(received, &line, out_status);
    if (line.len > TARGET_MAX + 32) {
        *out_status = 414;
    } else if (size > 0) {
        *out_status = check_request_line(line);
    }
    return size;
}

// Checks the lines from `start` on that have come. Returns where they end, behind an empty one, or 0.
static size_t take_fields(bytes_t received, size_t start, unsigned *out_status) {
    for (size_t at = start; *out_status == 0;) {
        bytes_t line;
        size_t size = take_line((bytes_t) {received.ptr + at, received.len - at}, &line, out_status);
        if (size == 0) {
            break;
        }
        at += size;
        if (line.len == 0) {
            return at;
        }
        *out_status = check_field_line(line);
    }
    if (*out_status == 0 && received.len >= HEAD_MAX) {
        *out_status = 431;
    }
    return 0;
}

// --- Fields ---

static struct request *request_of(llhttp_t *parser) {
    return parser->data;
}

static bool begins_ignoring_case(const uint8_t *text, bytes_t lower_case) {
    for (size_t i = 0; i < lower_case.len; i++) {
        uint8_t lower = text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i];
        if (lower != lower_case.ptr[i]) {
            return false;
        }
    }
    return true;
}

static inline bool equals_ignoring_case(bytes_t text, bytes_t lower_case) {
    return text.len == lower_case.len && begins_ignoring_case(text.ptr, lower_case);
}

// Where the value of a field that matters is kept, or null.
static bytes_t *place_of(struct request *request, bytes_t name) {
    static const struct {
        bytes_t name;
        size_t place;
    } kept[] = {
        {BYTES("host"), offsetof(struct request, host)},
        {BYTES("range"), offsetof(struct request, range)},
        {BYTES("if-range"), offsetof(struct request, if_range)},
        {BYTES("if-match"), offsetof(struct request, if_match)},
        {BYTES("if-none-match"), offsetof(struct request, if_none_match)},
        {BYTES("if-modified-since"), offsetof(struct request, if_modified_since)},
        {BYTES("if-unmodified-since"), offsetof(struct request, if_unmodified_since)},
    };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (equals_ignoring_case(name, kept[i].name)) {
            return (bytes_t *) ((uint8_t *) request + kept[i].place);
        }
    }
    return nullptr;
}

static void take_field(struct request *request) {
    bytes_t *place = place_of(request, request->name);
    if (place != nullptr) {
        *place = request->value;
    }
    request->host_count += place == &request->host;
    if (equals_ignoring_case(request->name, BYTES("expect"))) {
        request->expects_continue = true;
        request->status = equals_ignoring_case(request->value, BYTES("100-continue")) ? request->status : 417;
    }
    if (equals_ignoring_case(request->name, BYTES("transfer-encoding")) &&
        !equals_ignoring_case(request->value, BYTES("chunked"))) {
        request->status = 501;
    }
    if (++request->field_count > FIELDS_MAX) {
        request->status = 431;
    }
}

// The head is parsed in one go, so a span comes in one piece, unless it is empty.
static int on_url(llhttp_t *parser, const char *at, size_t length) {
    request_of(parser)->target = (bytes_t) {(const uint8_t *) at, length};
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t length) {
    request_of(parser)->name = (bytes_t) {(const uint8_t *) at, length};
    request_of(parser)->value = (bytes_t) {};
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t length) {
    while (length > 0 && (at[length - 1] == ' ' || at[length - 1] == '\t')) {
        length--;
    }
    request_of(parser)->value = (bytes_t) {(const uint8_t *) at, length};
    return 0;
}

static int on_value_complete(llhttp_t *parser) {
    take_field(request_of(parser));
    return 0;
}

static int on_headers_complete(llhttp_t *parser) {
    struct request *request = request_of(parser);
    request->is_head_complete = true;
    parser->upgrade = 0; // no protocol is offered to change to
    request->method = parser->method == HTTP_GET ? METHOD_GET : parser->method == HTTP_HEAD ? METHOD_HEAD : METHOD_OTHER;
    request->keeps_alive = llhttp_should_keep_alive(parser) == 1;
    bool is_chunked = (parser->flags & F_CHUNKED) != 0;
    request->has_body = is_chunked || parser->content_length > 0;
    if (request->host_count > 1 || (request->host_count == 0 && parser->http_minor >= 1) ||
        length_of(request->host, BYTE_HOST) < request->host.len) {
        request->status = 400;
    }
    if (parser->http_minor == 0 && (parser->flags & F_TRANSFER_ENCODING) != 0) {
        request->keeps_alive = false; // servers differ in what they make of its end (RFC 9112, section 6.1)
    }
    if (!is_chunked && parser->content_length > BODY_MAX) {
        request->status = 413;
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *, size_t length) {
    struct request *request = request_of(parser);
    request->body_size += length;
    if (request->body_size > BODY_MAX) {
        request->status = 413;
        return HPE_USER;
    }
    return 0;
}

// Fields may follow, which llhttp would let pass as they are.
static int on_chunk_header(llhttp_t *parser) {
    request_of(parser)->is_at_trailers = parser->content_length == 0;
    return parser->content_length == 0 ? HPE_PAUSED : 0;
}

static int on_message_complete(llhttp_t *parser) {
    request_of(parser)->is_complete = true;
    return HPE_PAUSED; // what follows is the next request
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

// The line was well formed: a method that nobody knows is another error than garbage.
static unsigned status_of_error(llhttp_errno_t error) {
    return error == HPE_INVALID_METHOD ? 501 : 400;
}

static void parse(struct request *request, bytes_t head) {
    llhttp_errno_t error = llhttp_execute(&request->parser, (const char *) head.ptr, head.len);
    bool is_expected = error == HPE_OK || (error == HPE_PAUSED && request->is_complete);
    if (!is_expected && request->status == 0) {
        request->status = status_of_error(error);
    }
    if (request->status == 0 && request->target.len > TARGET_MAX) {
        request->status = 414;
    }
}

size_t request_take_head(struct request *request, bytes_t received) {
    llhttp_init(&request->parser, HTTP_REQUEST, &settings);
    request->parser.data = request;
    mem_zero(&request->method, sizeof(*request) - offsetof(struct request, method)); // all that follows the parser
    size_t line = take_request_line(received, &request->status);
    size_t length = line > 0 ? take_fields(received, line, &request->status) : 0;
    if (length > 0) {
        parse(request, (bytes_t) {received.ptr, length});
    }
    return length;
}

// Up to the last chunk's line, if the body is chunked. Sizes and extensions of chunks count as what they are a part of.
static size_t take_content(struct request *request, bytes_t received) {
    llhttp_errno_t error = llhttp_execute(&request->parser, (const char *) received.ptr, received.len);
    bool is_over = error == HPE_PAUSED && (request->is_complete || request->is_at_trailers);
    size_t taken = is_over ? (size_t) (llhttp_get_error_pos(&request->parser) - (const char *) received.ptr) : received.len;
    request->framed_size += taken;
    if (request->framed_size > FRAMED_MAX) {
        request->status = 413;
    } else if (error != HPE_OK && !is_over && request->status == 0) {
        request->status = 400;
    }
    return taken;
}

// Fields behind a chunked body change nothing, but are fields all the same. They are taken as a whole.
static size_t take_trailers(struct request *request, bytes_t received) {
    size_t length = take_fields(received, 0, &request->status);
    request->is_complete = length > 0;
    return length;
}

size_t request_take_body(struct request *request, bytes_t received) {
    size_t taken = request->is_at_trailers ? 0 : take_content(request, received);
    if (request->is_at_trailers && request->status == 0) {
        taken += take_trailers(request, (bytes_t) {received.ptr + taken, received.len - taken});
    }
    return taken;
}
