// Finds the end of an answer's first line and inserts a line there. Trusts nothing in the answer.
#include "header.h"

#include <stdio.h>

static const char BEGINNING[] = "HTTP/1.";
enum { BEGINNING_LENGTH = sizeof(BEGINNING) - 1 };

static bool begins_right(const struct header *header) {
    size_t at = header->length - 1;
    return at >= BEGINNING_LENGTH || header->bytes[at] == (uint8_t) BEGINNING[at];
}

static bool ends_line(const struct header *header) {
    size_t length = header->length;
    return length >= 2 && header->bytes[length - 2] == '\r' && header->bytes[length - 1] == '\n';
}

static void insert(struct header *header, uint64_t boot_us) {
    char line[HEADER_LINE_MAX];
    int length = snprintf(line, sizeof(line), "X-Starina-Boot-Us: %llu\r\n", (unsigned long long) boot_us);
    __builtin_memcpy(header->bytes + header->length, line, (size_t) length);
    header->length += (size_t) length;
}

static void add_byte(struct header *header, uint8_t byte, uint64_t boot_us) {
    header->bytes[header->length++] = byte;
    if (!begins_right(header) || header->length == HEADER_SEARCH_MAX) {
        header->is_decided = true;
    } else if (ends_line(header)) {
        insert(header, boot_us);
        header->is_decided = true;
    }
}

size_t header_take(struct header *header, const uint8_t *data, size_t count, uint64_t boot_us) {
    size_t taken = 0;
    while (taken < count && !header->is_decided) {
        add_byte(header, data[taken++], boot_us);
    }
    return taken;
}

void header_finish(struct header *header) {
    header->is_decided = true;
}
