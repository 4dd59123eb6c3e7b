// What lwIP needs to know of its surroundings. See port.c and copy.c.
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h> // ssize_t

uint32_t port_random(void);
[[noreturn]] void port_assert_failed(const char *what, const char *file, int line);
void packet_copy(void *to, const void *from, size_t size);

#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX // or lwIP defines ssize_t itself; picolibc has only the type
#endif
// One instruction, where lwIP has functions.
#define lwip_htons(value) __builtin_bswap16(value)
#define lwip_htonl(value) __builtin_bswap32(value)

#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H 1
#define LWIP_RAND() port_random()
#define MEMCPY packet_copy
#define SMEMCPY __builtin_memcpy // of so few bytes that the compiler knows how many
#define LWIP_PLATFORM_DIAG(arguments)
#define LWIP_PLATFORM_ASSERT(message) port_assert_failed(message, __FILE__, __LINE__)
