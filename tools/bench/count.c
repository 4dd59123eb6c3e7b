// A QEMU plugin that counts what the guest executes, in a file that others read while it runs. It trusts its caller, sx.
//
//   -plugin build/bench/count.so,out=PATH[,profile=on|exact]
//
// The file holds `struct counts`, then with profile a `struct block` for each block of code (tools/bench/counter.py
// reads both). CPUs that run at once lose counts to each other, but for the blocks' executions with profile=exact, which is
// slower. A block that a fault leaves early counts as whole: some ten instructions too many per page fault.

#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// What is used of the plugin interface of QEMU 7.2, its version 1; Debian 12 has no package with the header.
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
typedef void (*qemu_plugin_tb_trans_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
typedef void (*qemu_plugin_tb_exec_t)(unsigned cpu, void *context);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_tb_trans_t callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, enum qemu_plugin_op op, void *counter,
                                              uint64_t value);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, qemu_plugin_tb_exec_t callback,
                                          enum qemu_plugin_cb_flags flags, void *context);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);

[[gnu::visibility("default")]] int qemu_plugin_version = 1;
[[gnu::visibility("default")]] int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments);

enum { PAGE = 4096, BLOCKS_MAX = 1 << 18, BUCKETS = 1 << 16, CODE_BYTES = 32 };

struct counts {
    uint64_t high;         // instructions at addresses with bit 63: a kernel's
    uint64_t low;          // all others: programs, firmware
    uint64_t translations; // of blocks; one that was thrown away and is needed again counts twice
    uint64_t blocks;       // `struct block`s that follow
};

struct block {
    uint64_t address;
    uint64_t executions;
    uint32_t instructions;
    uint32_t translations;
    uint32_t next; // in its bucket: index plus 1, or 0
    uint32_t code_size;
    uint8_t code[CODE_BYTES]; // its first bytes: they tell whose it is where address spaces overlap
};

static struct counts *counts;
static struct block *blocks; // null without profile
static bool is_exact;
static uint32_t buckets[BUCKETS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; // several CPUs translate at once

static uint32_t copy_code(const struct qemu_plugin_tb *tb, size_t instructions, uint8_t *code) {
    size_t size = 0;
    for (size_t i = 0; i < instructions && size < CODE_BYTES; i++) {
        const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
        size_t length = qemu_plugin_insn_size(instruction);
        length = length < CODE_BYTES - size ? length : CODE_BYTES - size;
        memcpy(code + size, qemu_plugin_insn_data(instruction), length);
        size += length;
    }
    return (uint32_t) size;
}

// The block's record, a new one if it has none; null if there is no room.
static struct block *record(const struct qemu_plugin_tb *tb, uint64_t address, size_t instructions) {
    struct block found = {.address = address, .instructions = (uint32_t) instructions};
    found.code_size = copy_code(tb, instructions, found.code);
    uint32_t *bucket = &buckets[(address * 0x9E3779B97F4A7C15) >> 48]; // Fibonacci hashing
    for (uint32_t i = *bucket; i != 0; i = blocks[i - 1].next) {
        struct block *block = &blocks[i - 1];
        if (block->address == address && block->instructions == instructions &&
            memcmp(block->code, found.code, CODE_BYTES) == 0) {
            return block;
        }
    }
    if (counts->blocks == BLOCKS_MAX) {
        return nullptr;
    }
    found.next = *bucket;
    blocks[counts->blocks] = found;
    *bucket = (uint32_t) ++counts->blocks;
    return &blocks[*bucket - 1];
}

static void on_execution(unsigned, void *block) {
    __atomic_fetch_add(&((struct block *) block)->executions, 1, __ATOMIC_RELAXED);
}

static void count_executions(struct qemu_plugin_tb *tb, struct block *block) {
    if (is_exact) {
        qemu_plugin_register_vcpu_tb_exec_cb(tb, on_execution, QEMU_PLUGIN_CB_NO_REGS, block);
    } else {
        qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &block->executions, 1);
    }
}

static void on_translation(qemu_plugin_id_t, struct qemu_plugin_tb *tb) {
    uint64_t address = qemu_plugin_tb_vaddr(tb);
    size_t instructions = qemu_plugin_tb_n_insns(tb);
    uint64_t *counter = address >> 63 ? &counts->high : &counts->low;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, counter, instructions);
    pthread_mutex_lock(&mutex);
    counts->translations++;
    struct block *block = blocks ? record(tb, address, instructions) : nullptr;
    if (block) {
        block->translations++;
        count_executions(tb, block);
    }
    pthread_mutex_unlock(&mutex);
}

static void *map_file(const char *path, size_t size) {
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, (off_t) size) != 0) {
        return nullptr;
    }
    void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? nullptr : memory;
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *, int count, char **arguments) {
    const char *path = nullptr;
    bool is_profile = false;
    for (int i = 0; i < count; i++) {
        if (strncmp(arguments[i], "out=", 4) == 0) {
            path = arguments[i] + 4;
        }
        is_exact |= strcmp(arguments[i], "profile=exact") == 0;
        is_profile |= is_exact || strcmp(arguments[i], "profile=on") == 0;
    }
    counts = path ? map_file(path, PAGE + (is_profile ? BLOCKS_MAX * sizeof(struct block) : 0)) : nullptr;
    if (!counts) {
        fprintf(stderr, "count.so: needs out=PATH of a file that it can write\n");
        return -1;
    }
    if (is_profile) {
        blocks = (struct block *) ((char *) counts + PAGE);
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
