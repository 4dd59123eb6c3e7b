// Ranges that clients lend, and how many.
#include <lending/lending.h>

#include <test/host/fake_kernel.h>
#include <test/test.h>

struct client {
    int unused;
};
static struct client one, other;

static status_t lend(const struct client *lender, uint64_t folio_size, uint64_t offset, uint64_t size, uint32_t *out_name) {
    folio_t folio;
    TRY(folio_create(folio_size, 0, &folio));
    return lending_begin(lender, folio, offset, size, out_name);
}

static void set_up(void) {
    lendings_disown(&one);
    lendings_disown(&other);
    fake_kernel_reset();
}

TEST("a range is found by its lender alone, until it is taken back") {
    uint32_t name;
    set_up();
    EXPECT_EQ(lend(&one, 8192, 4096, 100, &name), OK);
    EXPECT(lending_find(&one, name) != nullptr && lending_find(&one, name)->size == 100);
    EXPECT(lending_find(&other, name) == nullptr && lending_find(nullptr, name) == nullptr);
    EXPECT(lending_find(&one, name + 1) == nullptr && lending_find(&one, 0) == nullptr &&
           lending_find(&one, UINT32_MAX) == nullptr);
    EXPECT_EQ(lending_end(&other, name), ERR_NOT_FOUND);
    EXPECT_EQ(lending_end(&one, name), OK);
    EXPECT_EQ(lending_end(&one, name), ERR_NOT_FOUND);
    EXPECT_EQ(fake_mappings(), 0);
}

TEST("only whole ranges within the folio are lent, and a refused folio is closed") {
    static const struct {
        uint64_t offset, size;
    } wrong[] = {{0, 0}, {0, 8193}, {1, 1}, {4096, 4097}, {8192, 1}, {1ull << 63, 1}, {4096, UINT64_MAX}};
    uint32_t name;
    set_up();
    size_t handles = fake_open_handles();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT_EQ(lend(&one, 8192, wrong[i].offset, wrong[i].size, &name), ERR_INVALID_ARGUMENT);
    }
    EXPECT(fake_mappings() == 0 && fake_open_handles() == handles);
}

TEST("a range that is referred to stays after its lender has left, and its place is not given away") {
    uint32_t name, second;
    lent_set_t set = 0;
    set_up();
    EXPECT_EQ(lend(&one, 4096, 0, 4096, &name), OK);
    struct lent *lent = lending_find(&one, name);
    lent_set_add(&set, lent);
    lent_set_add(&set, lent);
    lendings_disown(&one);
    EXPECT(lending_find(&one, name) == nullptr && lent->bytes != nullptr && fake_mappings() == 1);
    EXPECT(lend(&one, 4096, 0, 4096, &second) == OK && second != name);
    lent_set_clear(&set);
    EXPECT(lent->bytes == nullptr && set == 0 && fake_mappings() == 1);
}

TEST("a client lends so much and no more, and leaves room for others") {
    uint32_t name;
    unsigned count = 0;
    set_up();
    while (count < 2 * LENT_MAX && lend(&one, 4096, 0, 4096, &name) == OK) {
        count++;
    }
    EXPECT(count == 8 && lend(&one, 4096, 0, 4096, &name) == ERR_LIMIT && lend(&other, 4096, 0, 4096, &name) == OK);
    EXPECT_EQ(lending_end(&one, lending_find(&one, 1) != nullptr ? 1 : 2), OK);
    EXPECT_EQ(lend(&one, 4096, 0, 4096, &name), OK);
}
