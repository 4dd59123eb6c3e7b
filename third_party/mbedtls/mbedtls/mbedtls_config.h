// What we have of Mbed TLS: nothing but SHA-256. In place of its own file of this name.
#pragma once

#define MBEDTLS_SHA256_C
