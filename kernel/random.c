// ChaCha20 with fast key erasure: each block's first half is the next key, the second half is given out.
#include "random.h"

#include "arch.h"
#include "memory.h"
#include "syscall.h"

enum { KEY_WORDS = 8, BLOCK_WORDS = 16, OUTPUT_NUMBERS = 4 };

static uint32_t key[KEY_WORDS];
static uint64_t output[OUTPUT_NUMBERS];
static unsigned output_left;

static uint32_t rotate(uint32_t value, unsigned bits) {
    return value << bits | value >> (32 - bits);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d) {
    *a += *b, *d = rotate(*d ^ *a, 16);
    *c += *d, *b = rotate(*b ^ *c, 12);
    *a += *b, *d = rotate(*d ^ *a, 8);
    *c += *d, *b = rotate(*b ^ *c, 7);
}

// RFC 8439, section 2.3, with nonce and counter 0: every key makes one block only.
static void make_block(uint32_t out[BLOCK_WORDS]) {
    uint32_t state[BLOCK_WORDS] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    memcpy(state + 4, key, sizeof(key));
    memcpy(out, state, sizeof(state));
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++) {
            quarter_round(&out[i], &out[4 + i], &out[8 + i], &out[12 + i]);
        }
        for (int i = 0; i < 4; i++) {
            quarter_round(&out[i], &out[4 + (i + 1) % 4], &out[8 + (i + 2) % 4], &out[12 + (i + 3) % 4]);
        }
    }
    for (int i = 0; i < BLOCK_WORDS; i++) {
        out[i] += state[i];
    }
}

static void refill(void) {
    uint32_t block[BLOCK_WORDS];
    make_block(block);
    memcpy(key, block, sizeof(key));
    memcpy(output, block + KEY_WORDS, sizeof(output));
    memset(block, 0, sizeof(block));
    output_left = OUTPUT_NUMBERS;
}

void random_init(void) {
    for (int i = 0; i < KEY_WORDS; i += 2) {
        uint64_t seed = arch_random_seed();
        memcpy(&key[i], &seed, sizeof(seed));
    }
}

uint64_t random_next(void) {
    if (output_left == 0) {
        refill();
    }
    uint64_t number = output[--output_left];
    output[output_left] = 0;
    return number;
}

status_t sys_random_u64(struct thread *, uint64_t *out_random) {
    *out_random = random_next();
    return OK;
}
