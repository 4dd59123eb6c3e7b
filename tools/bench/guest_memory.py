"""A running virtual machine's memory as a file, in which the kernel's counters are read without asking the machine."""

import mmap
import struct
import tempfile
from pathlib import Path

from paths import BUILD
from trace import IMAGE_BASE, symbol_address

# Names here: the kernel's symbols.
COUNTERS = {
    "interrupts": "interrupt_count",
    "timer_interrupts": "interrupt_timer_count",
    "ipis": "scheduler_ipis",
    "space_switches": "scheduler_space_switches",
    "lock_waits": "kernel_lock_waits",
    "lock_spins": "kernel_lock_spins",
}
CPU_MAX = 8  # of kernel/arch/x86_64/arch_types.h; those that the machine does not have count nothing


class GuestMemory:
    """`with GuestMemory(image) as memory:` gives a file to one machine, whose command was made with `memory.path`."""

    def __init__(self, image):
        self.addresses = {name: symbol_address(image, symbol) - IMAGE_BASE for name, symbol in COUNTERS.items()}
        self.cpus = symbol_address(image, "cpus") - IMAGE_BASE
        self.layout = symbol_address(image, "scheduler_switches_layout") - IMAGE_BASE

    def __enter__(self):
        BUILD.mkdir(exist_ok=True)
        self.folder = tempfile.TemporaryDirectory(prefix="memory-", dir=BUILD)
        self.path = Path(self.folder.name, "ram")
        return self

    def __exit__(self, *exception):
        self.folder.cleanup()

    def counters(self):
        with open(self.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as ram:
            counts = {name: struct.unpack_from("<Q", ram, address)[0] for name, address in self.addresses.items()}
            offset, size = struct.unpack_from("<QQ", ram, self.layout)
            counts["switches"] = sum(struct.unpack_from("<Q", ram, self.cpus + cpu * size + offset)[0] for cpu in range(CPU_MAX))
            return counts
