// What the C library needs of its surroundings: foreign code may call abort().
#include "internal.h"

[[noreturn]] void _exit(int code) {
    component_exit(code);
}
