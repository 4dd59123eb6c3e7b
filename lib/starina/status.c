// Names of status values, for logs.
#include "internal.h"

#define NAME(status) [-(status)] = #status
static const char *const names[] = {
    NAME(OK),
    NAME(ERR_INVALID_ARGUMENT),
    NAME(ERR_BAD_HANDLE),
    NAME(ERR_WRONG_TYPE),
    NAME(ERR_DENIED),
    NAME(ERR_BAD_ADDRESS),
    NAME(ERR_NO_MEMORY),
    NAME(ERR_NO_HANDLES),
    NAME(ERR_TOO_LARGE),
    NAME(ERR_FULL),
    NAME(ERR_EMPTY),
    NAME(ERR_CLOSED),
    NAME(ERR_TIMED_OUT),
    NAME(ERR_BUSY),
    NAME(ERR_NOT_FOUND),
    NAME(ERR_EXISTS),
    NAME(ERR_NOT_SUPPORTED),
    NAME(ERR_MALFORMED),
    NAME(ERR_STATE),
    NAME(ERR_IO),
    NAME(ERR_CANCELLED),
    NAME(ERR_REFUSED),
    NAME(ERR_UNREACHABLE),
    NAME(ERR_LIMIT),
};

const char *status_name(status_t status) {
    if (status == PENDING) {
        return "PENDING";
    }
    bool is_known = status <= 0 && status > -(int) (sizeof(names) / sizeof(names[0]));
    return is_known ? names[-status] : "an unknown status";
}
