// URIs of sockets, and addresses as people write them.
#pragma once

#include <starina/types.h>

enum uri_scheme { URI_TCP, URI_TCP_LISTEN, URI_UDP };

enum { HOST_NAME_MAX_LENGTH = 253 };

struct uri {
    enum uri_scheme scheme;
    bool is_name;
    uint32_t address; // network byte order; if not is_name
    bytes_t host;     // points into the text
    uint16_t port;    // host byte order
};

// "tcp:HOST:PORT", "tcp-listen:ADDRESS:PORT", "udp:ADDRESS:PORT". Numbers are decimal without leading zeros; port 0 is
// for udp alone. ERR_INVALID_ARGUMENT
status_t uri_parse(bytes_t text, struct uri *out_uri);

// "10.0.2.15". ERR_INVALID_ARGUMENT
status_t address_parse(bytes_t text, uint32_t *out_address);

// "10.0.2.15/24". ERR_INVALID_ARGUMENT
status_t network_parse(bytes_t text, uint32_t *out_address, uint32_t *out_netmask);

// "10.0.2.3" or "10.0.2.3:53". ERR_INVALID_ARGUMENT
status_t endpoint_parse(bytes_t text, uint16_t default_port, uint32_t *out_address, uint16_t *out_port);

// Letters, digits and inner hyphens, in labels of 1 to 63 separated by dots, not all digits at the end (RFC 1123 §2.1).
bool host_name_is_valid(bytes_t name);
