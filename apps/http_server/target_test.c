// test-with: apps/http_server/target.c
// Which file a target names, and that none lies outside of the served folder.
#include "target.h"

#include <test/test.h>

static const char *path_of(const char *target) {
    static char path[64];
    switch (target_path(bytes_from_string(target), path, sizeof(path))) {
    case OK:
        return path;
    case ERR_TOO_LARGE:
        return "too large";
    default:
        return "malformed";
    }
}

TEST("a path is decoded and its dots are applied") {
    static const struct {
        const char *target, *path;
    } cases[] = {
        {"/", "/"},           {"/a/b.html", "/a/b.html"}, {"/a?b=/../c", "/a"}, {"/a%20b", "/a b"},     {"/%41%7a", "/Az"},
        {"//a///b", "/a/b"},  {"/a/./b/.", "/a/b/"},      {"/a/../b", "/b"},    {"/a/b/../../c", "/c"}, {"http://host/a", "/a"},
        {"http://host", "/"}, {"http://host?a", "/"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EXPECT(strcmp(path_of(cases[i].target), cases[i].path) == 0);
    }
}

TEST("no path leads above the root") {
    static const char *const targets[] = {
        "/..", "/../", "/../../x", "/a/../../x", "/%2e%2e/x", "/%2E./x", "/a/%2e%2e/%2e%2e/x", "/..%2f..%2fx", "/.%2e%2fx",
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        const char *path = path_of(targets[i]);
        EXPECT(path[0] == '/' && strstr(path, "..") == nullptr);
    }
}

TEST("names that only begin with dots are names") {
    EXPECT(strcmp(path_of("/.well-known/a"), "/.well-known/a") == 0);
    EXPECT(strcmp(path_of("/..."), "/...") == 0);
    EXPECT(strcmp(path_of("/..a/b"), "/..a/b") == 0);
}

TEST("what is no path of a server is malformed") {
    static const char *const targets[] = {"", "*", "a", "host:80", "/%", "/%4", "/%zz", "/%00", "/a#b", "https://host/a", "?a"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        EXPECT(strcmp(path_of(targets[i]), "malformed") == 0);
    }
}

TEST("a path that does not fit is too large, and nothing is written past the end") {
    char target[200] = "/";
    for (size_t length = 1; length < sizeof(target) - 1; length++) {
        target[length] = 'a';
        char *path = __builtin_malloc(64); // the sanitizer watches its end
        status_t status = target_path(bytes_from_string(target), path, 64);
        EXPECT_EQ(status, length < 63 ? OK : ERR_TOO_LARGE);
        EXPECT(status != OK || strcmp(path, target) == 0);
        __builtin_free(path);
    }
}

TEST("a path's ending tells its type") {
    EXPECT(strcmp(content_type_of("/a/b.html"), "text/html; charset=utf-8") == 0);
    EXPECT(strcmp(content_type_of("/a.b/c"), "application/octet-stream") == 0);
    EXPECT(strcmp(content_type_of("/c.unknown"), "application/octet-stream") == 0);
}
