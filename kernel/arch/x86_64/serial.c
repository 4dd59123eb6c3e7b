// The console: the first serial port, a 16550.
#include "x86_64.h"

enum : uint16_t {
    PORT = 0x3f8,
    DATA = PORT,
    INTERRUPT_ENABLE = PORT + 1,
    FIFO_CONTROL = PORT + 2,
    LINE_CONTROL = PORT + 3,
    LINE_STATUS = PORT + 5,
    SCRATCH = PORT + 7
};
enum : uint8_t { FIFO_ENABLE_CLEAR = 7, EIGHT_BITS = 3, TRANSMITTER_EMPTY = 0x20 };
enum : size_t { FIFO_SIZE = 16 };
enum : unsigned { TRIES_MAX = 1000000 }; // each is an access to the device, some 0.1 us at least

static bool is_present;

void serial_init(void) {
    write_port8(SCRATCH, 0x5a);
    is_present = read_port8(SCRATCH) == 0x5a;
    if (is_present) {
        write_port8(INTERRUPT_ENABLE, 0);
        write_port8(LINE_CONTROL, EIGHT_BITS);
        write_port8(FIFO_CONTROL, FIFO_ENABLE_CLEAR);
    }
}

void arch_console_write(const char *text, size_t length) {
    while (is_present && length > 0) {
        for (unsigned i = 0; (read_port8(LINE_STATUS) & TRANSMITTER_EMPTY) == 0; i++) {
            if (i == TRIES_MAX) {
                return; // nobody takes it: the machine must not stand still for that
            }
            arch_spin_pause();
        }
        size_t part = length < FIFO_SIZE ? length : FIFO_SIZE;
        length -= part;
        __asm__ volatile("rep outsb" : "+S"(text), "+c"(part) : "d"(DATA) : "memory");
    }
}
