// The kernel heap: slabs of a few sizes; larger pieces are whole pages. Everything is zeroed and charged.
#pragma once

#include "account.h"

void *heap_allocate(size_t size, struct account *account);           // nullptr: the account's limit or the machine's memory
void heap_free(void *pointer, size_t size, struct account *account); // the same size and account
