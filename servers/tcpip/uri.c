// URIs of sockets, and addresses as people write them. What is not exactly so is refused: clients are not trusted.
#include "uri.h"

#include <starina/component.h>

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static status_t number_parse(bytes_t text, uint64_t max, uint64_t *out_number) {
    bool has_leading_zero = text.len > 1 && text.ptr[0] == '0';
    if (has_leading_zero || bytes_to_u64(text, out_number) != OK || *out_number > max) {
        return ERR_INVALID_ARGUMENT;
    }
    return OK;
}

// Cuts the text at the first separator. False: there is none.
static bool split(bytes_t text, uint8_t separator, bytes_t *out_before, bytes_t *out_after) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == separator) {
            *out_before = (bytes_t) {text.ptr, i};
            *out_after = (bytes_t) {text.ptr + i + 1, text.len - i - 1};
            return true;
        }
    }
    return false;
}

status_t address_parse(bytes_t text, uint32_t *out_address) {
    uint32_t address = 0;
    for (unsigned shift = 0; shift < 32; shift += 8) {
        bytes_t part = text;
        bool is_last = shift == 24;
        uint64_t number;
        if (!is_last && !split(text, '.', &part, &text)) {
            return ERR_INVALID_ARGUMENT;
        }
        TRY(number_parse(part, 255, &number));
        address |= (uint32_t) number << shift; // the first byte in memory is the first number
    }
    *out_address = address;
    return OK;
}

status_t network_parse(bytes_t text, uint32_t *out_address, uint32_t *out_netmask) {
    bytes_t address, length;
    uint64_t bits;
    if (!split(text, '/', &address, &length)) {
        return ERR_INVALID_ARGUMENT;
    }
    TRY(number_parse(length, 32, &bits));
    uint32_t mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
    *out_netmask = __builtin_bswap32(mask);
    return address_parse(address, out_address);
}

status_t endpoint_parse(bytes_t text, uint16_t default_port, uint32_t *out_address, uint16_t *out_port) {
    bytes_t address = text, port;
    uint64_t number = default_port;
    if (split(text, ':', &address, &port)) {
        TRY(number_parse(port, UINT16_MAX, &number));
    }
    *out_port = (uint16_t) number;
    return address_parse(address, out_address);
}

static bool label_is_valid(bytes_t label) {
    enum { LABEL_MAX = 63 };
    if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        if (!is_letter(label.ptr[i]) && !is_digit(label.ptr[i]) && label.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

bool host_name_is_valid(bytes_t name) {
    if (name.len == 0 || name.len > HOST_NAME_MAX_LENGTH) {
        return false;
    }
    bytes_t label;
    while (split(name, '.', &label, &name)) {
        if (!label_is_valid(label)) {
            return false;
        }
    }
    return label_is_valid(name) && !is_digit(name.ptr[0]); // what ends in a number is a wrong address, not a name
}

static status_t scheme_parse(bytes_t text, enum uri_scheme *out_scheme) {
    static const struct {
        bytes_t name;
        enum uri_scheme scheme;
    } schemes[] = {{BYTES("tcp"), URI_TCP}, {BYTES("tcp-listen"), URI_TCP_LISTEN}, {BYTES("udp"), URI_UDP}};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (bytes_equal(text, schemes[i].name)) {
            *out_scheme = schemes[i].scheme;
            return OK;
        }
    }
    return ERR_INVALID_ARGUMENT;
}

status_t uri_parse(bytes_t text, struct uri *out_uri) {
    bytes_t scheme, rest, port;
    uint64_t number;
    if (!split(text, ':', &scheme, &rest) || !split(rest, ':', &out_uri->host, &port)) {
        return ERR_INVALID_ARGUMENT;
    }
    TRY(scheme_parse(scheme, &out_uri->scheme));
    TRY(number_parse(port, UINT16_MAX, &number));
    if (number == 0 && out_uri->scheme != URI_UDP) {
        return ERR_INVALID_ARGUMENT;
    }
    out_uri->port = (uint16_t) number;
    out_uri->is_name = address_parse(out_uri->host, &out_uri->address) != OK;
    bool may_be_name = out_uri->scheme == URI_TCP && host_name_is_valid(out_uri->host);
    return !out_uri->is_name || may_be_name ? OK : ERR_INVALID_ARGUMENT;
}
