// test-with: apps/http_server/date.c apps/http_server/text.c
// HTTP dates, both ways.
#include "date.h"

#include <test/test.h>

static bool reads_as(const char *text, uint64_t expected) {
    uint64_t seconds = 1;
    return date_parse(bytes_from_string(text), &seconds) == OK && seconds == expected;
}

TEST("the standard's example is read in all three formats and written in the first") {
    char text[DATE_SIZE];
    date_format(text, 784111777);
    EXPECT(strcmp(text, "Sun, 06 Nov 1994 08:49:37 GMT") == 0);
    EXPECT(reads_as(text, 784111777));
    EXPECT(reads_as("Sunday, 06-Nov-94 08:49:37 GMT", 784111777));
    EXPECT(reads_as("Sun Nov  6 08:49:37 1994", 784111777));
}

TEST("every day from 1970 to 2200 is written and read back") {
    char text[DATE_SIZE];
    for (uint64_t seconds = 12345; seconds < 7258118400; seconds += 86400) {
        date_format(text, seconds);
        EXPECT(reads_as(text, seconds));
    }
}

TEST("leap days are where they belong") {
    EXPECT(reads_as("Tue, 29 Feb 2000 00:00:00 GMT", 951782400));
    EXPECT(reads_as("Wed, 01 Mar 2000 00:00:00 GMT", 951868800));
    EXPECT(reads_as("Mon, 01 Mar 2100 00:00:00 GMT", 4107542400));
}

TEST("years of two digits are from 1970 to 2069") {
    EXPECT(reads_as("Thursday, 01-Jan-70 00:00:00 GMT", 0));
    EXPECT(reads_as("Sunday, 01-Jan-69 00:00:00 GMT", 3124224000));
}

TEST("what is no date is malformed, however much of one it is") {
    static const char *const wrong[] = {
        "",
        "0",
        ",",
        "Sun",
        "Sun, ",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, 06 Nov 1969 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 99999 08:49:37 GMT",
        "Sun Nov 06 08:49:37 94",
    };
    uint64_t seconds;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT_EQ(date_parse(bytes_from_string(wrong[i]), &seconds), ERR_MALFORMED);
    }
}
