// Deadlines, in one leftist heap per CPU.
#include "timeout.h"

#include "cpu.h"

static uint32_t rank_of(const struct timeout *node) {
    return node == nullptr ? 0 : node->rank;
}

static void set_left(struct timeout *node, struct timeout *child) {
    node->left = child;
    if (child != nullptr) {
        child->parent = node;
    }
}

static void set_right(struct timeout *node, struct timeout *child) {
    node->right = child;
    if (child != nullptr) {
        child->parent = node;
    }
}

static void restore_rank(struct timeout *node) {
    if (rank_of(node->left) < rank_of(node->right)) {
        struct timeout *left = node->left;
        node->left = node->right;
        node->right = left;
    }
    node->rank = rank_of(node->right) + 1;
}

// Goes down the right spines only, which are logarithmic in a leftist heap: so is the recursion.
static struct timeout *merge(struct timeout *a, struct timeout *b) {
    if (a == nullptr || b == nullptr) {
        return a == nullptr ? b : a;
    }
    if (b->deadline < a->deadline) {
        struct timeout *swap = a;
        a = b;
        b = swap;
    }
    set_right(a, merge(a->right, b));
    restore_rank(a);
    return a;
}

static void set_root(struct timeout **heap, struct timeout *root) {
    *heap = root;
    if (root != nullptr) {
        root->parent = nullptr;
    }
}

void timeout_start(struct timeout *timeout, nsec_t deadline, void (*expired)(struct timeout *)) {
    if (deadline == DEADLINE_NEVER) {
        return;
    }
    struct cpu *cpu = cpu_self();
    struct timeout **heap = &cpu->timeouts;
    if (deadline < cpu->armed) {
        cpu->must_arm = cpu->arch.must_schedule = true; // on its way out of the kernel
    }
    *timeout = (struct timeout) {.deadline = deadline, .expired = expired, .heap = heap, .rank = 1};
    set_root(heap, merge(*heap, timeout));
}

void timeout_stop(struct timeout *timeout) {
    struct timeout **heap = timeout->heap;
    if (heap == nullptr) {
        return;
    }
    timeout->heap = nullptr;
    struct timeout *parent = timeout->parent;
    struct timeout *children = merge(timeout->left, timeout->right);
    if (parent == nullptr) {
        set_root(heap, children);
        return;
    }
    if (parent->left == timeout) {
        set_left(parent, children);
    } else {
        set_right(parent, children);
    }
    // The ranks above change only as far as this subtree was the shorter one.
    for (struct timeout *node = parent; node != nullptr; node = node->parent) {
        uint32_t before = node->rank;
        restore_rank(node);
        if (node->rank == before) {
            break;
        }
    }
}

void timeout_run_expired(struct timeout **heap, nsec_t now) {
    while (*heap != nullptr && (*heap)->deadline <= now) {
        struct timeout *timeout = *heap;
        timeout_stop(timeout);
        timeout->expired(timeout);
    }
}

nsec_t timeout_next(struct timeout *const *heap) {
    return *heap == nullptr ? DEADLINE_NEVER : (*heap)->deadline;
}
