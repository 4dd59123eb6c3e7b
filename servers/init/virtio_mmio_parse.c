// Reads a declaration of a virtio device from the command line.
#include "virtio_mmio.h"

#include "command_line.h"

enum : uint64_t { SIZE_MIN = 0x100, SIZE_MAX_SANE = 1 << 20, ADDRESS_END = 1ull << 52 };

status_t virtio_mmio_parse(bytes_t text, struct virtio_mmio_declaration *out_declaration) {
    uint64_t size, address, line;
    TRY(text_to_number(text_until(&text, '@'), &size));
    TRY(text_to_number(text_until(&text, ':'), &address));
    TRY(text_to_number(text_until(&text, ':'), &line));
    if (size < SIZE_MIN || size > SIZE_MAX_SANE || address >= ADDRESS_END || address % 4 != 0 || line > UINT32_MAX) {
        return ERR_MALFORMED;
    }
    *out_declaration = (struct virtio_mmio_declaration) {address, size, (uint32_t) line};
    return OK;
}
