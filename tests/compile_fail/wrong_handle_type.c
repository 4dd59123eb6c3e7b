// expect: initializing 'folio_t' with an expression of incompatible type 'channel_t'
#include <starina/component.h>

folio_t confuse(channel_t channel) {
    folio_t folio = channel;
    return folio;
}
