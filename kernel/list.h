// Intrusive doubly linked lists. A node that is in no list points at itself.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *previous;
};

#define LIST_CONTAINER(node, type, member) ((type *) ((char *) (node) - offsetof(type, member)))

static inline void list_init(struct list *node) {
    node->next = node->previous = node;
}

static inline bool list_is_empty(const struct list *list) {
    return list->next == list;
}

static inline void list_push_back(struct list *list, struct list *node) {
    node->previous = list->previous;
    node->next = list;
    list->previous->next = node;
    list->previous = node;
}

static inline void list_push_front(struct list *list, struct list *node) {
    list_push_back(list->next, node);
}

static inline void list_remove(struct list *node) {
    node->previous->next = node->next;
    node->next->previous = node->previous;
    list_init(node);
}

// Removes and returns the first node; nullptr if there is none.
static inline struct list *list_pop_front(struct list *list) {
    if (list_is_empty(list)) {
        return nullptr;
    }
    struct list *node = list->next;
    list_remove(node);
    return node;
}

// The body may remove `node` but no other.
#define LIST_FOR_EACH(node, head)                                                     \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)
