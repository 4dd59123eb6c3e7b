// Memory that the client has lent, from which the device reads parts of frames. It is pinned while it is lent or the device may
// still read it.
#include "traffic.h"

static bool is_free(const struct nic *nic, uint8_t number) {
    return nic->lent[number].folio.handle == HANDLE_INVALID;
}

static status_t find_free(const struct nic *nic, uint8_t *out_number) {
    for (uint8_t number = 1; number <= FRAME_LENT_MAX; number++) {
        if (is_free(nic, number)) {
            *out_number = number;
            return OK;
        }
    }
    return ERR_LIMIT;
}

status_t nic_lend(struct nic *nic, struct dma memory, uint8_t *out_number) {
    if (nic->parts_max < FRAME_PARTS_MAX) {
        return ERR_LIMIT;
    }
    TRY(find_free(nic, out_number));
    nic->lent[*out_number] = (struct nic_lent) {.folio = memory.folio, .address = memory.address};
    nic->end.lent_sizes[*out_number] = (uint32_t) memory.size;
    return OK;
}

static void let_go(struct nic *nic, uint8_t number) {
    folio_t folio = nic->lent[number].folio;
    nic->lent[number] = (struct nic_lent) {};
    dma_unpin(folio);
    (void) handle_close(folio.handle); // it is ours
}

status_t nic_unlend(struct nic *nic, uint32_t number) {
    if (number == 0 || number > FRAME_LENT_MAX || nic->end.lent_sizes[number] == 0) {
        return ERR_NOT_FOUND;
    }
    nic->end.lent_sizes[number] = 0; // no further frame refers to it
    if (nic->lent[number].frames == 0) {
        let_go(nic, (uint8_t) number);
    }
    return OK;
}

void nic_lent_keep(struct nic *nic, uint16_t first, uint16_t numbers) {
    nic->lent_of[first] = numbers;
    for (; numbers != 0; numbers &= numbers - 1) {
        nic->lent[__builtin_ctz(numbers)].frames++;
    }
}

void nic_lent_release(struct nic *nic, uint16_t first) {
    uint16_t numbers = nic->lent_of[first];
    nic->lent_of[first] = 0;
    for (; numbers != 0; numbers &= numbers - 1) {
        uint8_t number = (uint8_t) __builtin_ctz(numbers);
        if (--nic->lent[number].frames == 0 && nic->end.lent_sizes[number] == 0) {
            let_go(nic, number);
        }
    }
}

void nic_forget_lent(struct nic *nic) {
    for (uint16_t buffer = FRAME_HALF; buffer < FRAME_BUFFERS; buffer++) {
        nic->lent_of[buffer] = 0;
    }
    for (uint8_t number = 1; number <= FRAME_LENT_MAX; number++) {
        nic->end.lent_sizes[number] = 0;
        if (!is_free(nic, number)) {
            let_go(nic, number);
        }
    }
}
