// Conditions and ranges.
#include "conditions.h"

#include "date.h"
#include "text.h"

struct validators validators_of(uint64_t etag, uint64_t mtime) {
    struct validators validators = {.mtime = mtime};
    struct text text = {.start = validators.etag, .size = sizeof(validators.etag)};
    text_add_bytes(&text, BYTES("\""));
    text_add_digits(&text, etag, 16, 16);
    text_add_string(&text, "\"");
    text_terminate(&text);
    return validators;
}

static bytes_t trim(bytes_t bytes) {
    while (bytes.len > 0 && (bytes.ptr[0] == ' ' || bytes.ptr[0] == '\t')) {
        bytes.ptr++;
        bytes.len--;
    }
    while (bytes.len > 0 && (bytes.ptr[bytes.len - 1] == ' ' || bytes.ptr[bytes.len - 1] == '\t')) {
        bytes.len--;
    }
    return bytes;
}

// Takes the part before the next comma.
static bytes_t next_item(bytes_t *list) {
    const uint8_t *comma = list->len > 0 ? memchr(list->ptr, ',', list->len) : nullptr;
    size_t length = comma != nullptr ? (size_t) (comma - list->ptr) : list->len;
    bytes_t item = {list->ptr, length};
    size_t used = comma != nullptr ? length + 1 : length;
    list->ptr += used;
    list->len -= used;
    return trim(item);
}

// Our tags hold no commas, so a list can be split at them.
static bool lists_tag(bytes_t list, const char *etag, bool takes_weak) {
    while (list.len > 0) {
        bytes_t item = next_item(&list);
        if (takes_weak && item.len > 2 && item.ptr[0] == 'W' && item.ptr[1] == '/') {
            item = (bytes_t) {item.ptr + 2, item.len - 2};
        }
        if (bytes_equal(item, BYTES("*")) || bytes_equal(item, bytes_from_string(etag))) {
            return true;
        }
    }
    return false;
}

// An unreadable date counts as none.
static bool is_newer(bytes_t date, uint64_t mtime, bool otherwise) {
    uint64_t seconds;
    return date_parse(date, &seconds) == OK ? mtime > seconds : otherwise;
}

unsigned conditions_status(const struct request *request, const struct validators *validators) {
    if (request->if_match.len > 0) {
        if (!lists_tag(request->if_match, validators->etag, false)) {
            return 412;
        }
    } else if (request->if_unmodified_since.len > 0 && is_newer(request->if_unmodified_since, validators->mtime, false)) {
        return 412;
    }
    if (request->if_none_match.len > 0) {
        return lists_tag(request->if_none_match, validators->etag, true) ? 304 : 0;
    }
    bool is_asked = request->if_modified_since.len > 0;
    return is_asked && !is_newer(request->if_modified_since, validators->mtime, true) ? 304 : 0;
}

static bool range_still_holds(const struct request *request, const struct validators *validators) {
    bytes_t condition = request->if_range;
    if (condition.len == 0) {
        return true;
    }
    if (condition.ptr[0] == '"' || condition.ptr[0] == 'W') {
        return bytes_equal(condition, bytes_from_string(validators->etag));
    }
    uint64_t seconds;
    return date_parse(condition, &seconds) == OK && seconds == validators->mtime;
}

// "5-9", "5-" or "-5". False: not a range.
static bool parse_range(bytes_t text, uint64_t size, uint64_t *out_first, uint64_t *out_last) {
    const uint8_t *dash = text.len > 0 ? memchr(text.ptr, '-', text.len) : nullptr;
    if (dash == nullptr) {
        return false;
    }
    bytes_t before = {text.ptr, (size_t) (dash - text.ptr)}, behind = {dash + 1, text.len - before.len - 1};
    uint64_t number;
    if (before.len == 0) {
        if (bytes_to_u64(behind, &number) != OK) {
            return false;
        }
        *out_first = number >= size ? 0 : size - number;
        *out_last = number == 0 || size == 0 ? 0 : size - 1;
        if (number == 0) {
            *out_first = size; // nothing: can't be satisfied
        }
        return true;
    }
    if (bytes_to_u64(before, out_first) != OK) {
        return false;
    }
    *out_last = size > 0 ? size - 1 : 0;
    if (behind.len == 0) {
        return true;
    }
    if (bytes_to_u64(behind, &number) != OK || number < *out_first) {
        return false;
    }
    *out_last = number < *out_last ? number : *out_last;
    return true;
}

// Several ranges in one request may be answered with the whole, and are.
unsigned conditions_range(const struct request *request, const struct validators *validators, uint64_t size,
                          uint64_t *out_first, uint64_t *out_length) {
    static const bytes_t unit = BYTES("bytes=");
    *out_first = 0;
    *out_length = size;
    bytes_t range = request->range;
    bool is_single =
        range.len > unit.len && memcmp(range.ptr, unit.ptr, unit.len) == 0 && memchr(range.ptr, ',', range.len) == nullptr;
    if (request->method != METHOD_GET || !is_single || !range_still_holds(request, validators)) {
        return 200;
    }
    uint64_t first, last;
    if (!parse_range(trim((bytes_t) {range.ptr + unit.len, range.len - unit.len}), size, &first, &last)) {
        return 200;
    }
    if (first >= size) {
        return 416;
    }
    *out_first = first;
    *out_length = last - first + 1;
    return 206;
}
