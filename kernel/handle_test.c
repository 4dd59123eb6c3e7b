// Handle tables.
//
// test-with: kernel/handle.c kernel/heap.c kernel/page.c kernel/account.c
#include "handle.h"

#include <test/kernel/machine.h>
#include <test/test.h>

enum { LIMIT = 50, ROUNDS = 200000 };
enum : uint32_t { RIGHTS = RIGHT_READ | RIGHT_WAIT };

static struct account account = {.limit = UINT64_MAX};
static struct handle_table table;
static struct object objects[LIMIT + 1];

void object_release(struct object *object) {
    object->references--;
}

static struct object *fresh_object(unsigned index) {
    object_init(&objects[index], OBJECT_TIMER, &account);
    return &objects[index];
}

static status_t add(unsigned index, handle_t *out_handle) {
    return handle_add(&table, (struct grant) {fresh_object(index), RIGHTS}, out_handle);
}

static void start(void) {
    machine_start(8 << 20);
    if (handle_table_init(&table, LIMIT, &account) != OK) {
        panic("no table");
    }
}

TEST("a table has room for as many as it was made for, and no more") {
    start();
    handle_t handles[LIMIT], one_more;
    for (unsigned i = 0; i < LIMIT; i++) {
        EXPECT_EQ(add(i, &handles[i]), OK);
        EXPECT(handles[i] != HANDLE_INVALID);
    }
    EXPECT_EQ(table.used, LIMIT);
    EXPECT_EQ(add(LIMIT, &one_more), ERR_NO_HANDLES);
    EXPECT_EQ(objects[LIMIT].references, 1); // the caller keeps it
}

TEST("the first handle of a new table is the one that components expect") {
    start();
    handle_t handle;
    EXPECT_EQ(add(0, &handle), OK);
    EXPECT_EQ(handle, 1 | 1 << 16);
}

TEST("a handle finds its object by type and rights") {
    start();
    handle_t handle;
    struct object *found = nullptr;
    EXPECT_EQ(add(0, &handle), OK);
    EXPECT_EQ(handle_get(&table, handle, OBJECT_TIMER, RIGHT_READ, &found), OK);
    EXPECT(found == &objects[0]);
    EXPECT_EQ(handle_get(&table, handle, OBJECT_TIMER, RIGHTS, &found), OK);
    EXPECT_EQ(handle_get(&table, handle, OBJECT_TIMER, RIGHT_READ | RIGHT_WRITE, &found), ERR_DENIED);
    EXPECT_EQ(handle_get(&table, handle, OBJECT_CHANNEL, 0, &found), ERR_WRONG_TYPE);
    EXPECT_EQ(objects[0].references, 1);
}

TEST("numbers that name nothing are refused, whatever they are") {
    start();
    handle_t handle;
    struct handle_entry *entry;
    EXPECT_EQ(add(0, &handle), OK);
    const handle_t wrong[] = {0, 1, 2, 2 | 1 << 16, LIMIT + 1, 0xffff, 1 << 16, handle + (1 << 16), UINT32_MAX, 1u << 31};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT_EQ(handle_find(&table, wrong[i], &entry), ERR_BAD_HANDLE);
    }
}

TEST("a closed handle stays wrong while its place is used again and again") {
    start();
    handle_t stale;
    struct handle_entry *entry;
    EXPECT_EQ(add(0, &stale), OK);
    EXPECT_EQ(handle_find(&table, stale, &entry), OK);
    EXPECT(handle_remove(&table, entry).object == &objects[0]);
    for (unsigned round = 0; round < LIMIT * 1000; round++) {
        handle_t handle;
        EXPECT_EQ(handle_find(&table, stale, &entry), ERR_BAD_HANDLE);
        EXPECT_EQ(add(1, &handle), OK);
        EXPECT(handle != stale);
        EXPECT_EQ(handle_find(&table, handle, &entry), OK);
        handle_remove(&table, entry);
    }
}

TEST("generations go around without ever being 0") {
    machine_start(8 << 20);
    EXPECT_EQ(handle_table_init(&table, 1, &account), OK);
    for (unsigned round = 0; round < 70000; round++) {
        handle_t handle;
        struct handle_entry *entry;
        EXPECT_EQ(add(0, &handle), OK);
        EXPECT(handle >> 16 != 0);
        EXPECT_EQ(handle_find(&table, handle, &entry), OK);
        handle_remove(&table, entry);
    }
}

TEST("added and removed at random, each handle names its own object") {
    start();
    struct {
        handle_t handle;
        unsigned object;
    } open[LIMIT];
    unsigned count = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (random_below(2) == 0 && count < LIMIT) {
            open[count].object = random_below(LIMIT);
            EXPECT_EQ(add(open[count].object, &open[count].handle), OK);
            count++;
        } else if (count > 0) {
            unsigned chosen = random_below(count);
            struct handle_entry *entry;
            EXPECT_EQ(handle_find(&table, open[chosen].handle, &entry), OK);
            struct grant grant = handle_remove(&table, entry);
            EXPECT(grant.object == &objects[open[chosen].object]);
            EXPECT_EQ(grant.rights, RIGHTS);
            open[chosen] = open[--count];
        }
        EXPECT_EQ(table.used, count);
    }
}

TEST("destroying a table closes every handle and gives its memory back, and twice is once") {
    start();
    handle_t handles[10];
    for (unsigned i = 0; i < 10; i++) {
        EXPECT_EQ(add(i, &handles[i]), OK);
    }
    handle_table_destroy(&table);
    for (unsigned i = 0; i < 10; i++) {
        EXPECT_EQ(objects[i].references, 0);
    }
    EXPECT_EQ(account.used, 0);
    handle_table_destroy(&table);
    struct handle_entry *entry;
    EXPECT_EQ(handle_find(&table, handles[0], &entry), ERR_BAD_HANDLE);
}

TEST("limits that are none are refused, and the largest works to its last entry") {
    machine_start(8 << 20);
    EXPECT_EQ(handle_table_init(&table, 0, &account), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(handle_table_init(&table, HANDLE_LIMIT_MAX + 1, &account), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(handle_table_init(&table, UINT32_MAX, &account), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(handle_table_init(&table, HANDLE_LIMIT_MAX, &account), OK);
    handle_t handle;
    for (unsigned i = 0; i < HANDLE_LIMIT_MAX; i++) {
        EXPECT_EQ(add(0, &handle), OK);
    }
    EXPECT_EQ(add(0, &handle), ERR_NO_HANDLES);
}

TEST("without memory for it there is no table, at whatever limit that happens") {
    machine_start(8 << 20);
    status_t status = ERR_NO_MEMORY;
    unsigned refused = 0;
    for (account.limit = 0; status != OK && account.limit < 1 << 20; account.limit += 256) {
        status = handle_table_init(&table, 1000, &account);
        EXPECT(status == OK || status == ERR_NO_MEMORY);
        EXPECT(status == OK || account.used == 0);
        refused += status != OK;
    }
    EXPECT_EQ(status, OK);
    EXPECT(refused > 10);
}

TEST("a handle that was found for a use is not found again once it is removed, even when its number comes back") {
    start();
    handle_t handle;
    EXPECT_EQ(add(0, &handle), OK);
    struct handle_hint *hint = &table.waited;
    objects[0].type = OBJECT_POLL;
    EXPECT(handle_peek_again(&table, hint, handle, OBJECT_POLL, RIGHT_WAIT) == &objects[0]);
    EXPECT(handle_hinted(hint, hint, handle) == &objects[0]);
    EXPECT(handle_peek_again(&table, hint, HANDLE_INVALID, OBJECT_POLL, RIGHT_WAIT) == (struct object *) handle_nothing);
    EXPECT(handle_peek_again(&table, hint, 1ull << 32 | handle, OBJECT_POLL, RIGHT_WAIT) == (struct object *) handle_nothing);
    struct handle_entry *entry;
    EXPECT_EQ(handle_find(&table, handle, &entry), OK);
    handle_remove(&table, entry);
    EXPECT(handle_peek_again(&table, hint, handle, OBJECT_POLL, RIGHT_WAIT) == (struct object *) handle_nothing);
    handle_t other = HANDLE_INVALID; // a timer
    for (unsigned round = 0; other != handle; round++) {
        EXPECT(round < ROUNDS * LIMIT);
        EXPECT_EQ(add(0, &other), OK);
        EXPECT_EQ(handle_find(&table, other, &entry), OK);
        if (other != handle) {
            handle_remove(&table, entry);
        }
    }
    EXPECT(handle_hinted(hint, hint, handle) == nullptr);
    EXPECT(handle_peek_again(&table, hint, handle, OBJECT_POLL, RIGHT_WAIT) == (struct object *) handle_nothing);
}
