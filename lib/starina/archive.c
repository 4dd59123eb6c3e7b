// The image's archive: mapped whole at the first use, found by binary search.
#include "internal.h"

static folio_t folio;
static const struct archive_header *archive; // nullptr: not mapped

void archive_set(folio_t given) {
    folio = given;
}

folio_t archive_folio(void) {
    return folio;
}

static status_t map(void) {
    uint64_t size, address;
    TRY(folio_info(folio, &size));
    TRY(vmspace_map(folio, 0, size, MAP_READ, &address));
    const struct archive_header *header = (const struct archive_header *) (uintptr_t) address;
    if (size < sizeof(*header) || header->magic != ARCHIVE_MAGIC || header->size > size ||
        header->entry_count > (size - sizeof(*header)) / sizeof(struct archive_entry)) {
        return ERR_MALFORMED;
    }
    archive = header;
    return OK;
}

static bool is_mapped(void) {
    if (archive == nullptr && folio.handle != HANDLE_INVALID) {
        status_t status = map();
        if (status != OK) {
            log_error("archive: %s", status_name(status));
            folio = (folio_t) {HANDLE_INVALID}; // never again
        }
    }
    return archive != nullptr;
}

// Less than, equal to or greater than 0, as the path is before, at or behind the entry.
static int compare(bytes_t path, const struct archive_entry *entry) {
    const char *end = memchr(entry->path, 0, ARCHIVE_PATH_SIZE);
    size_t length = end != nullptr ? (size_t) (end - entry->path) : ARCHIVE_PATH_SIZE;
    int order = memcmp(path.ptr, entry->path, path.len < length ? path.len : length);
    return order != 0 ? order : (path.len > length) - (path.len < length);
}

const struct archive_entry *archive_find(bytes_t path) {
    if (path.len == 0 || !is_mapped()) {
        return nullptr;
    }
    const struct archive_entry *entries = (const struct archive_entry *) (archive + 1);
    size_t low = 0, high = archive->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(path, &entries[middle]);
        if (order == 0) {
            return &entries[middle];
        }
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return nullptr;
}

bytes_t archive_content(const struct archive_entry *entry) {
    if (entry->offset > archive->size || entry->size > archive->size - entry->offset) {
        return (bytes_t) {}; // the image maker's mistake, not a reason to fault
    }
    return (bytes_t) {(const uint8_t *) archive + entry->offset, entry->size};
}

static bool is_below(const struct archive_entry *entry, bytes_t folder) {
    return folder.len < ARCHIVE_PATH_SIZE && memcmp(entry->path, folder.ptr, folder.len) == 0 && entry->path[folder.len] == '/';
}

// Files lie in the order of their paths, so that those of a folder are together.
status_t archive_range(bytes_t folder, uint64_t *out_offset, uint64_t *out_size) {
    uint64_t begin = UINT64_MAX, end = 0;
    for (size_t i = 0; is_mapped() && i < archive->entry_count; i++) {
        const struct archive_entry *entry = (const struct archive_entry *) (archive + 1) + i;
        if (is_below(entry, folder) && archive_content(entry).ptr != nullptr) {
            begin = entry->offset < begin ? entry->offset : begin;
            end = entry->offset + entry->size > end ? entry->offset + entry->size : end;
        }
    }
    if (begin >= end) {
        return ERR_NOT_FOUND;
    }
    *out_offset = begin & ~(PAGE_SIZE - 1);
    *out_size = ((end + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)) - *out_offset;
    return OK;
}
