// expect: passing 'postbox_put_token_t' to parameter of incompatible type 'postbox_take_token_t'
#include <postbox.h>

void answer(postbox_put_token_t token) {
    postbox_take_complete(token, ERR_EMPTY, nullptr);
}
