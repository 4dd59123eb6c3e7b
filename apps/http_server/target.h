// From a request's target to a path of the archive.
#pragma once

#include <starina/component.h>

// Decodes the path of "/a/b?query" or "http://host/a/b": percent signs resolved, "." and ".." applied.
// ERR_MALFORMED: not a target for a server; ERR_TOO_LARGE: longer than `size`
status_t target_path(bytes_t target, char *out_path, size_t size);

const char *content_type_of(const char *path);
