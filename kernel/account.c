// Who pays for kernel memory.
#include "account.h"

#include "heap.h"

struct account kernel_account = {.limit = UINT64_MAX};

struct account *account_create(uint64_t limit) {
    struct account *account = heap_allocate(sizeof(*account), &kernel_account);
    if (account != nullptr) {
        account->limit = limit;
    }
    return account;
}

static void free_if_unused(struct account *account) {
    if (account->is_closed && account->used == 0) {
        heap_free(account, sizeof(*account), &kernel_account);
    }
}

void account_close(struct account *account) {
    account->is_closed = true;
    free_if_unused(account);
}

status_t account_charge(struct account *account, uint64_t bytes) {
    if (bytes > account->limit - account->used) {
        return ERR_NO_MEMORY;
    }
    account->used += bytes;
    if (account->used > account->peak) {
        account->peak = account->used;
    }
    return OK;
}

void account_release(struct account *account, uint64_t bytes) {
    account->used -= bytes;
    free_if_unused(account);
}
