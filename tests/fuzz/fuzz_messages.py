"""Writes a libFuzzer target that feeds arbitrary messages to every decoder of every interface.

    fuzz_messages.py interfaces/*.toml > fuzz_messages.c

A message that decodes must encode again to the same bytes: nothing was read that was not there, nothing overlooked.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from interface_model import load  # noqa: E402

HEAD = """// Arbitrary messages for every decoder of every interface.
%(includes)s
struct thread_buffer *thread_buffer;

static struct message message, again;

static void expect_same(status_t encoded) {
    if (encoded != OK || message.header.length != again.header.length ||
        __builtin_memcmp(message.data, again.data, message.header.length) != 0) {
        __builtin_trap();
    }
}

%(cases)s
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const decoders[])(void) = {%(names)s};
    if (size < 2 || size - 2 > MESSAGE_DATA_MAX) {
        return 0;
    }
    mem_zero(&message, sizeof(message));
    message.header.handle_count = data[1] %% (MESSAGE_HANDLES_MAX + 1);
    message.header.length = (uint16_t) (size - 2);
    for (uint32_t i = 0; i < MESSAGE_HANDLES_MAX; i++) {
        message.header.handles[i] = i + 1;
    }
    __builtin_memcpy(message.data, data + 2, size - 2);
    decoders[data[0] %% (sizeof(decoders) / sizeof(decoders[0]))]();
    return 0;
}
"""

CASE = """static void decode_%(name)s(void) {
    struct %(name)s body;
    if (%(name)s_decode(&message, &body) == OK) {
        expect_same(%(name)s_encode(&body, &again));
    }
}
"""


def main():
    interfaces = [load(Path(path)) for path in sys.argv[1:]]
    bodies = [body for i in interfaces for m in i.messages for body in (m.args, m.reply) if body.fields]
    names = [body.struct for body in bodies]
    print(HEAD % {
        "includes": "\n".join(f"#include <{i.name}.h>" for i in interfaces),
        "cases": "\n".join(CASE % {"name": name} for name in names),
        "names": ", ".join(f"decode_{name}" for name in names),
    })  # fmt: skip


if __name__ == "__main__":
    main()
