// expect: attempt to use a poisoned identifier
#include <starina/component.h>

void copy(char *to, const char *from) {
    memcpy(to, from, 4);
}
