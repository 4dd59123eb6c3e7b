// A sparse array of pages: what a folio of any size has of them costs memory only where there are some.
//
// An entry is a page's physical address and flags of the user's in the bits below PAGE_SIZE; 0: no page.
#pragma once

#include "account.h"
#include "arch.h"

struct page_tree {
    uint64_t *root;  // entries of the highest level, as many as it takes
    unsigned levels; // 1: the root's entries are pages
    uint64_t count;  // pages
};

// A tree for `count` pages, at least 1. ERR_NO_MEMORY
status_t page_tree_init(struct page_tree *tree, uint64_t count, struct account *account);
void page_tree_destroy(struct page_tree *tree, struct account *account); // the pages are the user's

// The entry of a page. nullptr: there is none, nor has there been one near it
uint64_t *page_tree_find(const struct page_tree *tree, uint64_t index);

// The same, and makes it. ERR_NO_MEMORY
status_t page_tree_make(struct page_tree *tree, uint64_t index, struct account *account, uint64_t **out_entry);
status_t page_tree_make_all(struct page_tree *tree, struct account *account); // every entry. ERR_NO_MEMORY

// The first entry that is not 0, from an index on, which moves there. nullptr: there is none before `end`
uint64_t *page_tree_next(const struct page_tree *tree, uint64_t *index, uint64_t end);
