// Sparse arrays of pages: radix trees whose nodes are pages themselves.
#include "page_tree.h"

#include "heap.h"
#include "page.h"

enum : uint64_t { NODE_BITS = 9, NODE_ENTRIES = 1 << NODE_BITS };

// How many pages lie below one entry of a level; 1 is the lowest.
static uint64_t span_of(unsigned level) {
    return 1ull << (NODE_BITS * (level - 1));
}

static uint64_t root_entries(const struct page_tree *tree) {
    uint64_t span = span_of(tree->levels);
    return (tree->count + span - 1) / span;
}

static uint64_t *node_at(uint64_t entry) {
    return physical_to_kernel(entry);
}

status_t page_tree_init(struct page_tree *tree, uint64_t count, struct account *account) {
    *tree = (struct page_tree) {.levels = 1, .count = count};
    while (root_entries(tree) > NODE_ENTRIES) {
        tree->levels++;
    }
    tree->root = heap_allocate(root_entries(tree) * sizeof(uint64_t), account);
    return tree->root != nullptr ? OK : ERR_NO_MEMORY;
}

static void free_below(uint64_t *entries, uint64_t count, unsigned level, struct account *account) {
    for (uint64_t i = 0; i < count && level > 1; i++) {
        if (entries[i] != 0) {
            free_below(node_at(entries[i]), NODE_ENTRIES, level - 1, account);
            page_free(account, 0, entries[i]);
        }
    }
}

void page_tree_destroy(struct page_tree *tree, struct account *account) {
    if (tree->root != nullptr) {
        free_below(tree->root, root_entries(tree), tree->levels, account);
        heap_free(tree->root, root_entries(tree) * sizeof(uint64_t), account);
    }
}

static uint64_t index_in_node(uint64_t index, unsigned level) {
    return index >> (NODE_BITS * (level - 1)) & (NODE_ENTRIES - 1);
}

uint64_t *page_tree_find(const struct page_tree *tree, uint64_t index) {
    uint64_t *entry = &tree->root[index / span_of(tree->levels)];
    for (unsigned level = tree->levels - 1; level > 0; level--) {
        if (*entry == 0) {
            return nullptr;
        }
        entry = &node_at(*entry)[index_in_node(index, level)];
    }
    return entry;
}

status_t page_tree_make(struct page_tree *tree, uint64_t index, struct account *account, uint64_t **out_entry) {
    uint64_t *entry = &tree->root[index / span_of(tree->levels)];
    for (unsigned level = tree->levels - 1; level > 0; level--) {
        if (*entry == 0) {
            paddr_t node;
            TRY(page_allocate(account, 0, &node));
            *entry = node;
        }
        entry = &node_at(*entry)[index_in_node(index, level)];
    }
    *out_entry = entry;
    return OK;
}

status_t page_tree_make_all(struct page_tree *tree, struct account *account) {
    for (uint64_t index = 0; index < tree->count; index += NODE_ENTRIES) {
        uint64_t *entry;
        TRY(page_tree_make(tree, index, account, &entry));
    }
    return OK;
}

// Skips what lies below an empty entry of a higher level.
static uint64_t past_hole(const struct page_tree *tree, uint64_t index) {
    const uint64_t *entry = &tree->root[index / span_of(tree->levels)];
    unsigned level = tree->levels;
    while (*entry != 0 && level > 1) {
        level--;
        entry = &node_at(*entry)[index_in_node(index, level)];
    }
    return *entry != 0 ? index : (index / span_of(level) + 1) * span_of(level);
}

uint64_t *page_tree_next(const struct page_tree *tree, uint64_t *index, uint64_t end) {
    end = end < tree->count ? end : tree->count;
    while (*index < end) {
        uint64_t next = past_hole(tree, *index);
        if (next == *index) {
            return page_tree_find(tree, *index);
        }
        *index = next;
    }
    return nullptr;
}
