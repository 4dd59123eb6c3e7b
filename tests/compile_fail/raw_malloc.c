// expect: attempt to use a poisoned identifier
#include <starina/component.h>

void *get(void) {
    return malloc(4);
}
