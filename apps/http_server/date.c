// HTTP dates: civil dates to and from seconds since 1970.
#include "date.h"

#include "text.h"

enum : uint64_t { DAY = 86400, DAYS_TO_1970 = 719468 }; // days from 0000-03-01 to 1970-01-01

static const char *const day_names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct civil {
    uint64_t year;
    unsigned month, day; // from 1
};

// Years begin in March here, so that the leap day is the last; eras have 400 years.
static struct civil civil_of(uint64_t days_since_1970) {
    uint64_t days = days_since_1970 + DAYS_TO_1970;
    uint64_t era = days / 146097, day_of_era = days % 146097;
    uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (unsigned) ((5 * day_of_year + 2) / 153);
    unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
    return (struct civil) {
        .year = year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = (unsigned) (day_of_year - (153 * shifted + 2) / 5 + 1),
    };
}

static uint64_t days_of(struct civil date) {
    uint64_t year = date.month <= 2 ? date.year - 1 : date.year;
    uint64_t year_of_era = year % 400, shifted = date.month > 2 ? date.month - 3 : date.month + 9;
    uint64_t day_of_year = (153 * shifted + 2) / 5 + date.day - 1;
    return year / 400 * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_TO_1970;
}

void date_format(char out[DATE_SIZE], uint64_t seconds) {
    struct civil date = civil_of(seconds / DAY);
    unsigned in_day = (unsigned) (seconds % DAY);
    struct text text = {.start = out, .size = DATE_SIZE};
    text_add_string(&text, day_names[(seconds / DAY + 4) % 7]); // 1970-01-01 was a Thursday
    text_add_bytes(&text, BYTES(", "));
    text_add_digits(&text, date.day, 10, 2);
    text_add_bytes(&text, BYTES(" "));
    text_add_string(&text, month_names[date.month - 1]);
    text_add_bytes(&text, BYTES(" "));
    text_add_digits(&text, date.year, 10, 4);
    text_add_bytes(&text, BYTES(" "));
    text_add_digits(&text, in_day / 3600, 10, 2);
    text_add_bytes(&text, BYTES(":"));
    text_add_digits(&text, in_day / 60 % 60, 10, 2);
    text_add_bytes(&text, BYTES(":"));
    text_add_digits(&text, in_day % 60, 10, 2);
    text_add_string(&text, " GMT");
    text_terminate(&text);
}

// --- Parsing ---

struct cursor {
    const uint8_t *at, *end;
    bool is_bad;
};

static void skip(struct cursor *cursor, const char *text) {
    for (; *text != '\0'; text++) {
        if (cursor->at == cursor->end || *cursor->at++ != (uint8_t) *text) {
            cursor->is_bad = true;
            return;
        }
    }
}

static unsigned number(struct cursor *cursor, unsigned digits) {
    unsigned value = 0;
    while (digits-- > 0) {
        if (cursor->at == cursor->end || *cursor->at < '0' || *cursor->at > '9') {
            cursor->is_bad = true;
            return 0;
        }
        value = value * 10 + (*cursor->at++ - '0');
    }
    return value;
}

static unsigned month(struct cursor *cursor) {
    for (unsigned i = 0; i < 12 && cursor->end - cursor->at >= 3; i++) {
        if (memcmp(cursor->at, month_names[i], 3) == 0) {
            cursor->at += 3;
            return i + 1;
        }
    }
    cursor->is_bad = true;
    return 1;
}

static uint64_t time_of_day(struct cursor *cursor) {
    unsigned hours = number(cursor, 2);
    skip(cursor, ":");
    unsigned minutes = number(cursor, 2);
    skip(cursor, ":");
    unsigned seconds = number(cursor, 2);
    cursor->is_bad |= hours > 23 || minutes > 59 || seconds > 60;
    return hours * 3600ull + minutes * 60ull + seconds;
}

// "06 Nov 1994 08:49:37 GMT"
static uint64_t parse_fixed(struct cursor *cursor, struct civil *date) {
    date->day = number(cursor, 2);
    skip(cursor, " ");
    date->month = month(cursor);
    skip(cursor, " ");
    date->year = number(cursor, 4);
    skip(cursor, " ");
    uint64_t time = time_of_day(cursor);
    skip(cursor, " GMT");
    return time;
}

// "06-Nov-94 08:49:37 GMT": RFC 850; no machine of that age runs this.
static uint64_t parse_rfc850(struct cursor *cursor, struct civil *date) {
    date->day = number(cursor, 2);
    skip(cursor, "-");
    date->month = month(cursor);
    skip(cursor, "-");
    unsigned year = number(cursor, 2);
    date->year = year + (year < 70 ? 2000 : 1900);
    skip(cursor, " ");
    uint64_t time = time_of_day(cursor);
    skip(cursor, " GMT");
    return time;
}

// "Nov  6 08:49:37 1994": C's asctime
static uint64_t parse_asctime(struct cursor *cursor, struct civil *date) {
    date->month = month(cursor);
    skip(cursor, " ");
    bool is_padded = cursor->at < cursor->end && *cursor->at == ' ';
    cursor->at += is_padded;
    date->day = number(cursor, is_padded ? 1 : 2);
    skip(cursor, " ");
    uint64_t time = time_of_day(cursor);
    skip(cursor, " ");
    date->year = number(cursor, 4);
    return time;
}

status_t date_parse(bytes_t text, uint64_t *out_seconds) {
    const uint8_t *end = text.ptr + text.len;
    const uint8_t *comma = text.len > 0 ? memchr(text.ptr, ',', text.len) : nullptr;
    struct cursor cursor = {.at = comma != nullptr ? comma + 1 : text.ptr + (text.len < 4 ? text.len : 4), .end = end};
    struct civil date = {};
    uint64_t time;
    if (comma == nullptr) {
        time = parse_asctime(&cursor, &date);
    } else {
        skip(&cursor, " ");
        bool is_rfc850 = cursor.end - cursor.at > 2 && cursor.at[2] == '-';
        time = is_rfc850 ? parse_rfc850(&cursor, &date) : parse_fixed(&cursor, &date);
    }
    if (cursor.is_bad || cursor.at != end || date.year < 1970 || date.day == 0 || date.day > 31) {
        return ERR_MALFORMED;
    }
    *out_seconds = days_of(date) * DAY + time;
    return OK;
}
