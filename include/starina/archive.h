// The read-only archive in the image: component ELF files, the compiled system file, and data.
//
// Made by tools/sx/archive.py, read in place: every file starts on a page. All numbers little endian. Entries are sorted by
// path (bytewise), for binary search.
#pragma once

#include <starina/types.h>

enum { ARCHIVE_PATH_SIZE = 104 };                       // NUL-terminated
enum : uint64_t { ARCHIVE_MAGIC = 0x31484352414E5453 }; // "STNARCH1"

struct archive_header {
    uint64_t magic;
    uint32_t entry_count;
    uint32_t reserved;
    uint64_t size; // bytes of the whole archive, a multiple of the page size
};

// Follow the header directly.
struct archive_entry {
    char path[ARCHIVE_PATH_SIZE]; // "/components/hello", "/system", "/site/index.html"
    uint64_t offset;              // from the start of the archive; a multiple of the page size
    uint64_t size;                // bytes
    uint64_t mtime;               // seconds since 1970
    uint64_t etag;                // first 8 bytes of the content's SHA-256
};
