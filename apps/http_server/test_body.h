// Bodies of any size for tests of the whole way to the network: GET /test/SIZE, if the configuration has test_bodies = 1.
//
// The content repeats TEST_BODY_PERIOD bytes; byte i of them is the top byte of the i-th number of a linear congruential
// generator (multiplier 1664525, increment 1013904223, modulus 2^32, seed 1).
#pragma once

#include <starina/component.h>

#define TEST_BODY_PATH "/test/"
enum { TEST_BODY_PERIOD = 65521 }; // a prime number: no shift by a packet or a page looks alike

bool test_body_is_enabled(void);
status_t test_body_init(void); // makes the folio, if enabled
folio_t test_body_folio(void);
status_t test_body_size(const char *path, uint64_t *out_size); // "/test/1048576". ERR_NOT_FOUND: not a size up to 1 GiB
