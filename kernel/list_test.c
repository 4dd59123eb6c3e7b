// Linked lists.
#include "list.h"

#include <test/test.h>

struct item {
    int number;
    struct list node;
};

static struct list head;
static struct item items[5];

static void fill(void) {
    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_push_back(&head, &items[i].node);
    }
}

// The numbers in the list as decimal digits, with a leading 1.
static long long numbers(void) {
    long long result = 1;
    LIST_FOR_EACH(node, &head) {
        result = result * 10 + LIST_CONTAINER(node, struct item, node)->number;
    }
    return result;
}

TEST("nodes are visited in the order in which they were added at the end") {
    fill();
    EXPECT_EQ(numbers(), 101234);
}

TEST("what is added at the front comes first") {
    fill();
    list_remove(&items[3].node);
    list_push_front(&head, &items[3].node);
    EXPECT_EQ(numbers(), 130124);
}

TEST("nodes come off the front until none is left") {
    fill();
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(LIST_CONTAINER(list_pop_front(&head), struct item, node)->number, i);
    }
    EXPECT(list_is_empty(&head));
    EXPECT(list_pop_front(&head) == nullptr);
}

TEST("a removed node is in no list, and removing it again harms nothing") {
    fill();
    list_remove(&items[0].node);
    EXPECT(list_is_empty(&items[0].node));
    list_remove(&items[0].node);
    list_remove(&items[4].node);
    EXPECT_EQ(numbers(), 1123);
}

TEST("the body of a loop may remove its node") {
    fill();
    LIST_FOR_EACH(node, &head) {
        if (LIST_CONTAINER(node, struct item, node)->number % 2 == 0) {
            list_remove(node);
        }
    }
    EXPECT_EQ(numbers(), 113);
}
