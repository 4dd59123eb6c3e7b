// Tests inside a component, in a running system: COMPONENT(name, .start = tests_start).
#pragma once

#include <starina/component.h>
#include <test/test.h>

// Runs all tests, a log line for each, and ends the component: with code 0 if none failed.
status_t tests_start(void);
