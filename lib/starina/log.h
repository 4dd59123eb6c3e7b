// One line each to the kernel log, with the component's name. At most 256 bytes; the rest is cut.
#pragma once

[[gnu::format(printf, 1, 2), gnu::cold]] void log_error(const char *format, ...);
[[gnu::format(printf, 1, 2), gnu::cold]] void log_warn(const char *format, ...);
[[gnu::format(printf, 1, 2), gnu::cold]] void log_info(const char *format, ...);
[[gnu::format(printf, 1, 2), gnu::cold]] void log_debug(const char *format, ...); // only with log_level=3 in the configuration
