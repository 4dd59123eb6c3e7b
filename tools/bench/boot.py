"""sx bench boot: from executing QEMU to the first good answer, and what that takes."""

import time
from contextlib import ExitStack

import blocks
import subjects
import table
from booting import booted, must_answer
from counter import Counter
from snapshot import Restored
from ui import progress

COUNTED_RUNS = 3
IDLE_SECONDS, IDLE_SECONDS_QUICK = 10, 3
SETTLE_SECONDS = 1  # between the answer and idling
LEAST_TIMEOUT_SECONDS, LEAST_TIMEOUT_SECONDS_QUICK, LEAST_TIMEOUT_BOOTS = 2, 0.3, 5  # with too little memory it may just hang


class Row:
    """What was measured of one system."""

    def __init__(self, subject):
        self.subject = subject
        self.wall, self.cpu, self.resident, self.anonymous, self.counts = [], [], [], [], []
        self.idle = self.least = None

    def time(self):
        with booted(self.subject) as machine:
            must_answer(self.subject, machine)
            resident, anonymous = machine.memory_kib()
        self.wall.append(machine.answer_ms)
        self.cpu.append(machine.cpu_ms)
        self.resident.append(resident)
        self.anonymous.append(anonymous)

    def count(self, stack):
        """Boots under the counting plugin; it goes on until the stack ends."""
        counter = stack.enter_context(Counter())
        machine = stack.enter_context(booted(self.subject, extra=counter.arguments()))
        self.counts.append(counter.read())
        must_answer(self.subject, machine)
        return counter

    def answers_with(self, memory, timeout):
        with booted(self.subject, memory, timeout=timeout) as machine:
            return machine.answer_ms is not None

    def find_least(self, patience):
        """The least -m, in MiB, with which it still answers: bisection between nothing and what it had."""
        timeout = patience + LEAST_TIMEOUT_BOOTS * max(self.wall) / 1000
        low, high = 0, self.subject.memory
        while high - low > 1:
            middle = (low + high) // 2
            progress(f"{self.subject.title}: does it answer with {middle} MiB?")
            if self.answers_with(middle, timeout):
                high = middle
            else:
                low = middle
        self.least = high

    def result(self, floor):
        wall = table.spread(self.wall)
        counted = sorted(self.counts, key=lambda counts: counts.instructions)
        counts = counted[len(counted) // 2] if counted else None
        image = (None, None) if self.subject.is_frozen else self.subject.image_bytes()
        return {
            "name": self.subject.name,
            "title": self.subject.title,
            "wall_ms": wall,
            "cpu_ms": table.spread(self.cpu),
            "over_floor_ms": None if self is floor else round(wall["median"] - table.spread(floor.wall)["median"], 3),
            "instructions": counts and counts.instructions,
            "blocks_translated": counts and counts.translations,
            "least_memory_mib": self.least,
            "resident_kib": table.spread(self.resident)["median"],
            "anonymous_kib": table.spread(self.anonymous)["median"],
            "image_bytes": image[0],
            "image_bytes_compressed": image[1],
            "idle_instructions_per_second": self.idle,
        }


HEADINGS = [
    "system", "ms", "min", "max", "over floor", "CPU ms", "instructions", "blocks", "least MiB", "RSS MiB", "anon MiB",
    "image KiB", "zipped", "idle instr/s",
]  # fmt: skip


def kib(size):
    return None if size is None else round(size / 1024)


def table_row(result):
    wall, over = result["wall_ms"], result["over_floor_ms"]
    return [
        result["title"],
        *(float(wall[key]) for key in ("median", "min", "max")),
        over,
        result["cpu_ms"]["median"],
        result["instructions"],
        result["blocks_translated"],
        result["least_memory_mib"],
        result["resident_kib"] / 1024,
        result["anonymous_kib"] / 1024,
        kib(result["image_bytes"]),
        kib(result["image_bytes_compressed"]),
        result["idle_instructions_per_second"],
    ]


def measure(rows, options):
    for number in range(options.runs):
        for row in rows:  # in turn: the host's speed drifts
            progress(f"Boot {number + 1} of {options.runs}: {row.subject.title}")
            row.time()
    counted = [row for row in rows if not row.subject.is_frozen]
    for _ in range(0 if options.quick else COUNTED_RUNS - 1):
        with ExitStack() as stack:
            for row in counted:
                progress(f"Counting instructions: {row.subject.title}")
                row.count(stack)
    idle(counted, IDLE_SECONDS_QUICK if options.quick else IDLE_SECONDS)
    for row in counted:
        row.find_least(LEAST_TIMEOUT_SECONDS_QUICK if options.quick else LEAST_TIMEOUT_SECONDS)


def idle(rows, seconds):
    """Boots all once more and counts what they do when nobody asks."""
    with ExitStack() as stack:
        counters = [row.count(stack) for row in rows]
        progress(f"Idling for {seconds} s")
        time.sleep(SETTLE_SECONDS)
        before = [counter.read() for counter in counters]
        time.sleep(seconds)
        for row, counter, then in zip(rows, counters, before):
            row.idle = round((counter.read() - then).instructions / seconds)


def restorable(found):
    """The lean Linux also continues from a snapshot."""
    return [subject for subject in found if subject.name == "linux-lean"]


def targets(found):
    """What has to be built for these systems."""
    return ["bench", *{subject.system.name for subject in found if isinstance(subject, subjects.Starina)}]


def main(options, build):
    found = subjects.for_boot(options.peers)
    build(targets(found))
    if options.profile:
        blocks.profile([item for item in found if isinstance(item, subjects.Starina)], options.profile)
        return
    with ExitStack() as stack:
        found += [stack.enter_context(Restored(subject)) for subject in restorable(found)]
        rows = [Row(subject) for subject in found]
        measure(rows, options)
        results = [row.result(rows[0]) for row in rows]
    summary = {"benchmark": "boot", "runs": options.runs, "host": table.host(), "systems": results}
    title = f"From executing QEMU to the first good answer, median of {options.runs}"
    table.publish(summary, options.json, [(title, HEADINGS, [table_row(result) for result in results])])
