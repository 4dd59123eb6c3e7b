// Which modes there are.
#include "isolation.h"

const struct isolation *isolation_of_mode(enum isolation_mode mode) {
    switch (mode) {
    case ISOLATION_USER:
        return &isolation_user;
    case ISOLATION_KERNEL:
        return &isolation_kernel;
    }
    return nullptr;
}
