"""Reads what the plugin tools/bench/count.c counts in a running virtual machine."""

import mmap
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from paths import BUILD

HEADER = struct.Struct("<QQQQ")
RECORD = struct.Struct("<QQIIII32s")
PAGE = 4096
PLUGIN = BUILD / "bench" / "count.so"


@dataclass
class Counts:
    high: int  # instructions at addresses with bit 63: a kernel's
    low: int
    translations: int
    blocks: int

    @property
    def instructions(self):
        return self.high + self.low

    def __sub__(self, before):
        pairs = zip(vars(self).values(), vars(before).values())
        return Counts(*(now - then for now, then in pairs))


@dataclass
class Block:
    """A block of code as it was translated: where, how long, how often."""

    address: int
    executions: int
    instructions: int
    translations: int
    code: bytes

    @property
    def executed(self):
        return self.executions * self.instructions


class Counter:
    """`with Counter() as counter:` gives a file to one virtual machine, started with its arguments().

    `profile`: None, "on", or "exact" where several CPUs run at once.
    """

    def __init__(self, profile=None):
        self.profile = profile

    def __enter__(self):
        BUILD.mkdir(exist_ok=True)
        self.folder = tempfile.TemporaryDirectory(prefix="count-", dir=BUILD)
        self.path = Path(self.folder.name, "counts")
        return self

    def __exit__(self, *exception):
        self.folder.cleanup()

    def arguments(self):
        return ["-plugin", f"{PLUGIN},out={self.path}{f',profile={self.profile}' if self.profile else ''}"]

    def map(self):
        with open(self.path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def read(self):
        with self.map() as memory:
            return Counts(*HEADER.unpack_from(memory))

    def settled(self, pause=0.05, timeout=2):
        """The counts once the guest is idle, or after the timeout if it never is."""
        deadline = time.monotonic() + timeout
        counts = self.read()
        while time.monotonic() < deadline:
            time.sleep(pause)
            previous, counts = counts, self.read()
            if counts == previous:
                break
        return counts

    def blocks(self):
        with self.map() as memory:
            count = HEADER.unpack_from(memory)[3]
            found = [RECORD.unpack_from(memory, PAGE + index * RECORD.size) for index in range(count)]
        return [
            Block(address, executions, instructions, translations, code[:size])
            for address, executions, instructions, translations, _, size, code in found
        ]
