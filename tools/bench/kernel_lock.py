"""What of the executed code ran with the big kernel lock held, waited for it, or ran without.

Told by where the code is. All of the kernel runs with the lock held but for its ways in and out; system calls take and release it
inside a block of code, whose instructions are counted up to there.
"""

import re
import subprocess
from bisect import bisect_right
from dataclasses import dataclass

from ui import Fail

WORD = "<kernel_lock_word>"
# An interrupt takes the lock in arch_on_trap, which has the loop of kernel_lock inside.
WAITING = {"kernel_lock", "kernel_lock_yield", "wait_for_lock", "arch_on_trap"}
WITHOUT = {
    "kernel_stubs", "arch_user_stubs", "entry_vectors", "entry_trap", "save_thread", "enter_trap", "from_kernel_mode",
    "interruptible", "entry_tlb_flush", "leave_to_thread", "leave_to_user_call", "leave_user_call", "leave_kernel_call", "leave_full",
    "leave_to_idle",
}  # fmt: skip
TAKING = ("decl", "xchgl", "cmpxchgl")
SWITCHING = ("channel_call", "channel_reply_wait", "poll_wait")
CALLS = {"entry_syscall", "entry_kernel_call", *(f"entry_kernel_{name}" for name in SWITCHING)}
FUNCTION = re.compile(r"^([0-9a-f]+) <(\w+)>:$")
INSTRUCTION = re.compile(r"^([0-9a-f]+):\s+(.*)$")


@dataclass
class Share:
    """Instructions."""

    held: int = 0
    waiting: int = 0
    outside: int = 0  # components and the ways in and out
    system_calls: int = 0

    @property
    def total(self):
        return self.held + self.waiting + self.outside


def check_names(names):
    """The routines listed above must be there: of one that was renamed, all would be taken for code under the lock."""
    missing = (WAITING | WITHOUT | CALLS) - set(names)
    if missing:
        raise Fail(f"the kernel has no {', '.join(sorted(missing))}; tools/bench/kernel_lock.py lists what it has")


class KernelCode:
    """The kernel of an image, from its disassembly."""

    def __init__(self, text):
        self.starts, self.names, self.addresses, self.takes, self.gives = [], [], [], set(), set()
        for line in text.splitlines():
            if function := FUNCTION.match(line):
                self.starts.append(int(function[1], 16))
                self.names.append(function[2])
            elif (instruction := INSTRUCTION.match(line.strip())) and instruction[2] != "lock":  # that one has a line of its own
                self.add(int(instruction[1], 16), instruction[2])
        if not self.takes or not self.gives:
            raise Fail("no instruction of the kernel takes or releases its lock; tools/bench/kernel_lock.py looks for others")

    def add(self, address, instruction):
        self.addresses.append(address)
        if WORD in instruction and instruction.startswith(TAKING):
            self.takes.add(address)
        elif WORD in instruction and instruction.startswith(("movl\t$", "movl\t%")):
            self.gives.add(address)

    @staticmethod
    def of(image):
        command = ["llvm-objdump-19", "-d", "--no-show-raw-insn", image]
        code = KernelCode(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        check_names(code.names)
        return code

    def function(self, address):
        """None outside of the kernel."""
        if not self.addresses[0] <= address <= self.addresses[-1]:
            return None
        return self.names[bisect_right(self.starts, address) - 1]

    def instructions(self, block):
        first = bisect_right(self.addresses, block.address) - 1
        return self.addresses[first : first + block.instructions]

    def held_in(self, block, function):
        """How many instructions of a block of the kernel run with the lock held."""
        instructions = self.instructions(block)
        for number, address in enumerate(instructions, 1):
            if address in self.takes:
                return len(instructions) - number
            if address in self.gives:
                return number
        return 0 if function in WITHOUT else len(instructions)

    def share(self, blocks):
        """`blocks` with their executions."""
        share = Share()
        for block in blocks:
            function = self.function(block.address)
            if function in WAITING:
                share.waiting += block.executed
                continue
            held = self.held_in(block, function) if function else 0
            share.held += held * block.executions
            share.outside += (block.instructions - held) * block.executions
            if function in CALLS and block.address in self.starts:
                share.system_calls += block.executions
        return share


def rate(held, outside, cpus):
    """Operations per instruction's time of so many CPUs, by mean value analysis: each works outside, then queues for the lock."""
    queue, found = 0.0, 0.0
    for number in range(1, cpus + 1):
        at_lock = held * (1 + queue)
        found = number / (at_lock + outside)
        queue = found * at_lock
    return found
