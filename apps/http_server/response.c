// Which response a request gets.
#include "response.h"

#include "conditions.h"
#include "date.h"
#include "target.h"
#include "test_body.h"

#include <starina/process.h>

static const char *reason_of(unsigned status) {
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Unknown";
}

void response_clear(struct response *response) {
    mem_zero(response, offsetof(struct response, head));
}

void response_copy(struct response *response, const struct response *from) {
    size_t size = offsetof(struct response, head) + from->head_length;
    if (mem_copy(response, sizeof(*response), from, size) != OK) {
        response_clear(response); // can't be: a head is as long as there is room
    }
}

static struct text begin(struct response *response, unsigned status) {
    struct text head = {.start = response->head, .size = sizeof(response->head)};
    text_add_bytes(&head, BYTES("HTTP/1.1 "));
    text_add_u64(&head, status);
    text_add_bytes(&head, BYTES(" "));
    text_add_string(&head, reason_of(status));
    text_add_bytes(&head, BYTES("\r\nServer: Starina\r\n"));
    if (response->closes) {
        text_add_bytes(&head, BYTES("Connection: close\r\n"));
    }
    return head;
}

static void add_field(struct text *head, bytes_t name_and_colon, const char *value) {
    text_add_bytes(head, name_and_colon);
    text_add_string(head, value);
    text_add_bytes(head, BYTES("\r\n"));
}

static void add_length(struct text *head, uint64_t length) {
    text_add_bytes(head, BYTES("Content-Length: "));
    text_add_u64(head, length);
    text_add_bytes(head, BYTES("\r\n"));
}

static void end(struct response *response, struct text *head) {
    text_add_bytes(head, BYTES("\r\n"));
    response->head_length = head->length;
}

// Errors have a line of text as their body, but for HEAD.
static void make_error(struct response *response, const struct request *request, unsigned status) {
    bool is_head = request != nullptr && request->method == METHOD_HEAD && request->is_head_complete;
    struct text head = begin(response, status);
    if (status == 405) {
        text_add(&head, "Allow: GET, HEAD\r\n");
    }
    const char *reason = reason_of(status);
    text_add(&head, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n", strlen(reason) + 5);
    if (!is_head) {
        text_add(&head, "%u %s\n", status, reason);
    }
    response->head_length = head.length;
}

void response_make_error(struct response *response, unsigned status) {
    response_clear(response);
    response->closes = true;
    make_error(response, nullptr, status);
}

// --- Files ---

static void add_validators(struct text *head, const struct validators *validators) {
    char date[DATE_SIZE];
    date_format(date, validators->mtime);
    add_field(head, BYTES("ETag: "), validators->etag);
    add_field(head, BYTES("Last-Modified: "), date);
    text_add_bytes(head, BYTES("Cache-Control: no-cache\r\n"));
}

static void set_body(struct response *response, const struct request *request, enum body body, uint64_t offset, uint64_t size) {
    if (request->method == METHOD_GET && size > 0) {
        response->body = body;
        response->offset = offset;
        response->size = size;
    }
}

static void make_file(struct response *response, const struct request *request, const struct archive_entry *entry) {
    struct validators validators = validators_of(entry->etag, entry->mtime);
    unsigned status = conditions_status(request, &validators);
    if (status == 412) {
        make_error(response, request, 412);
        return;
    }
    uint64_t first = 0, length = 0;
    if (status == 0) {
        status = conditions_range(request, &validators, entry->size, &first, &length);
    }
    if (status == 416) {
        struct text head = begin(response, status);
        text_add(&head, "Content-Range: bytes */%llu\r\nContent-Length: 0\r\n", (unsigned long long) entry->size);
        end(response, &head);
        return;
    }
    struct text head = begin(response, status);
    add_validators(&head, &validators);
    if (status != 304) {
        add_field(&head, BYTES("Content-Type: "), content_type_of(entry->path));
        add_length(&head, length);
        text_add_bytes(&head, BYTES("Accept-Ranges: bytes\r\nX-Content-Type-Options: nosniff\r\n"));
    }
    if (status == 206) {
        text_add(&head, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long) first,
                 (unsigned long long) (first + length - 1), (unsigned long long) entry->size);
    }
    end(response, &head);
    if (status != 304) {
        set_body(response, request, BODY_FILE, entry->offset + first, length);
    }
}

// A path as it stands in a URI (RFC 3986, section 3.3).
static void add_path(struct text *head, const char *path) {
    for (const char *byte = path; *byte != '\0'; byte++) {
        bool is_alphanumeric =
            (*byte >= '0' && *byte <= '9') || (*byte >= 'A' && *byte <= 'Z') || (*byte >= 'a' && *byte <= 'z');
        bool is_plain = is_alphanumeric || strchr("/-._~!$&'()*+,;=:@", *byte) != nullptr;
        text_add(head, is_plain ? "%c" : "%%%02X", (uint8_t) *byte);
    }
}

// "/docs" is a folder: relative links in its index need the slash. The path is the one that was found here: what the
// target says can name another host.
static void make_redirect(struct response *response, const struct request *request, const char *path) {
    struct text head = begin(response, 301);
    text_add(&head, "Location: ");
    add_path(&head, path);
    text_add(&head, "/\r\nContent-Length: 0\r\n");
    end(response, &head);
    if (head.is_cut) {
        make_error(response, request, 404);
    }
}

static const struct archive_entry *find_file(const char *path, const char *ending) {
    char full[ARCHIVE_PATH_SIZE];
    struct text text = {.start = full, .size = sizeof(full)};
    text_add_bytes(&text, config_bytes("root", BYTES("/site")));
    text_add_string(&text, path);
    text_add_string(&text, ending);
    return text.is_cut ? nullptr : archive_find(text_bytes(&text));
}

static void make_from_archive(struct response *response, const struct request *request, const char *path) {
    bool is_folder = path[strlen(path) - 1] == '/';
    const struct archive_entry *entry = find_file(path, is_folder ? "index.html" : "");
    if (entry != nullptr) {
        make_file(response, request, entry);
    } else if (!is_folder && find_file(path, "/index.html") != nullptr) {
        make_redirect(response, request, path);
    } else {
        make_error(response, request, 404);
    }
}

// --- Everything ---

static void make_test_body(struct response *response, const struct request *request, const char *path) {
    uint64_t size;
    if (test_body_size(path, &size) != OK) {
        make_error(response, request, 404);
        return;
    }
    struct text head = begin(response, 200);
    text_add_bytes(&head, BYTES("Content-Type: application/octet-stream\r\n"));
    add_length(&head, size);
    end(response, &head);
    set_body(response, request, BODY_TEST, 0, size);
    response->period = TEST_BODY_PERIOD;
}

static void make_content(struct response *response, const struct request *request) {
    char path[ARCHIVE_PATH_SIZE];
    status_t status = target_path(request->target, path, sizeof(path));
    if (status != OK) {
        make_error(response, request, status == ERR_TOO_LARGE ? 404 : 400);
    } else if (strcmp(path, "/api/status") == 0) {
        response->waits_for_state = true;
    } else if (test_body_is_enabled() && strncmp(path, TEST_BODY_PATH, strlen(TEST_BODY_PATH)) == 0) {
        make_test_body(response, request, path);
    } else {
        make_from_archive(response, request, path);
    }
}

void response_make(struct response *response, const struct request *request) {
    response_clear(response);
    unsigned status = request->status;
    if (status == 0 && request->method == METHOD_OTHER) {
        status = 405;
    }
    // Behind an error of the framing nothing can be understood. Who waits before it sends its body is told not to.
    bool is_framing_lost = request->status != 0 && request->status != 417;
    response->closes = !request->keeps_alive || is_framing_lost || request->expects_continue;
    if (status != 0) {
        make_error(response, request, status);
    } else {
        make_content(response, request);
    }
}

void response_finish_state(struct response *response, const struct request *request, status_t status, folio_t folio,
                           size_t size) {
    folio_t own = {HANDLE_INVALID};
    bool is_head = request->method == METHOD_HEAD;
    response->waits_for_state = false;
    if (status == OK && !is_head) {
        status = handle_duplicate(folio.handle, RIGHT_READ, &own.handle);
    }
    if (status != OK) {
        make_error(response, request, 503);
        return;
    }
    struct text head = begin(response, 200);
    text_add_bytes(&head, BYTES("Content-Type: application/json\r\nCache-Control: no-store\r\n"));
    add_length(&head, size);
    end(response, &head);
    if (!is_head) {
        response->body = BODY_OWN;
        response->folio = own;
        response->size = size;
    }
}

void response_drop(struct response *response) {
    if (response->body == BODY_OWN) {
        (void) handle_close(response->folio.handle); // it is a duplicate of its own
    }
    response->body = BODY_NONE;
}
