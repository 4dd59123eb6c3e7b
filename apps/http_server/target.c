// Request targets (RFC 9112, section 3.2) and what a path's ending says about its content.
#include "target.h"

static int hex_value(uint8_t digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    uint8_t lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The part from the first slash of the path on. Proxies' requests name the host before it.
static status_t find_path(bytes_t target, bytes_t *out_path) {
    static const bytes_t scheme = BYTES("http://");
    size_t start = 0;
    if (target.len > scheme.len && memcmp(target.ptr, scheme.ptr, scheme.len) == 0) {
        const uint8_t *slash = memchr(target.ptr + scheme.len, '/', target.len - scheme.len);
        start = slash != nullptr ? (size_t) (slash - target.ptr) : target.len;
    }
    size_t end = start;
    while (end < target.len && target.ptr[end] != '?') {
        if (target.ptr[end] == '#') {
            return ERR_MALFORMED;
        }
        end++;
    }
    *out_path = (bytes_t) {target.ptr + start, end - start};
    bool is_host_alone = start > 0 && end == start;
    return is_host_alone || (end > start && target.ptr[start] == '/') ? OK : ERR_MALFORMED;
}

static status_t decode_byte(bytes_t path, size_t *at, char *out_byte) {
    uint8_t byte = path.ptr[(*at)++];
    if (byte == '%') {
        if (path.len - *at < 2 || hex_value(path.ptr[*at]) < 0 || hex_value(path.ptr[*at + 1]) < 0) {
            return ERR_MALFORMED;
        }
        byte = (uint8_t) (hex_value(path.ptr[*at]) << 4 | hex_value(path.ptr[*at + 1]));
        *at += 2;
    }
    *out_byte = (char) byte;
    return byte == '\0' ? ERR_MALFORMED : OK;
}

// Ends a segment: "." vanishes, ".." takes the one before with it, and never more than the root.
static size_t end_segment(const char *path, size_t segment, size_t length) {
    size_t size = length - segment;
    if (size == 0 || (size == 1 && path[segment] == '.')) {
        return segment;
    }
    if (size != 2 || path[segment] != '.' || path[segment + 1] != '.') {
        return length;
    }
    size_t at = segment - 1; // the slash
    while (at > 0 && path[at - 1] != '/') {
        at--;
    }
    return at == 0 ? 1 : at;
}

status_t target_path(bytes_t target, char *out_path, size_t size) {
    bytes_t path;
    TRY(find_path(target, &path));
    size_t length = 1, segment = 1;
    out_path[0] = '/';
    for (size_t at = 1; at < path.len;) {
        char byte;
        TRY(decode_byte(path, &at, &byte));
        if (byte == '/') {
            length = end_segment(out_path, segment, length);
            if (length > 1 && out_path[length - 1] != '/') {
                out_path[length++] = '/';
            }
            segment = length;
        } else {
            out_path[length++] = byte;
        }
        if (length >= size) {
            return ERR_TOO_LARGE;
        }
    }
    out_path[end_segment(out_path, segment, length)] = '\0';
    return OK;
}

const char *content_type_of(const char *path) {
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".wasm", "application/wasm"},
        {".xml", "application/xml"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != nullptr && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(dot, types[i].ending) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}
