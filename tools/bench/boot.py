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
LEAST_TIMEOUT_SECONDS, LEAST_TIMEOUT_BOOTS = 2, 6  # a machine with too little memory may just hang


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

    def count(self, idle_seconds):
        """Boots under the counting plugin; idles, too, unless idle_seconds is 0."""
        with Counter() as counter, booted(self.subject, extra=counter.arguments()) as machine:
            self.counts.append(counter.read())
            must_answer(self.subject, machine)
            if idle_seconds:
                time.sleep(SETTLE_SECONDS)
                before = counter.read()
                time.sleep(idle_seconds)
                self.idle = round((counter.read() - before).instructions / idle_seconds)

    def answers_with(self, memory, timeout):
        with booted(self.subject, memory, timeout=timeout) as machine:
            return machine.answer_ms is not None

    def find_least(self):
        """The least -m, in MiB, with which it still answers: bisection between nothing and what it had."""
        timeout = LEAST_TIMEOUT_SECONDS + LEAST_TIMEOUT_BOOTS * max(self.wall) / 1000
        low, high = 0, subjects.MEMORY_MIB
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
        return {
            "name": self.subject.name,
            "title": self.subject.title,
            "wall_ms": wall,
            "cpu_ms": table.spread(self.cpu),
            "over_floor_ms": None if self is floor else wall["median"] - table.spread(floor.wall)["median"],
            "instructions": counts and counts.instructions,
            "blocks_translated": counts and counts.translations,
            "least_memory_mib": self.least,
            "resident_kib": table.spread(self.resident)["median"],
            "anonymous_kib": table.spread(self.anonymous)["median"],
            "image_bytes": self.subject.image_bytes(),
            "idle_instructions_per_second": self.idle,
        }


HEADINGS = [
    "system", "ms", "min", "max", "over floor", "CPU ms", "instructions", "blocks", "least MiB", "RSS MiB", "anon MiB",
    "image KiB", "idle instr/s",
]  # fmt: skip


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
        result["image_bytes"] / 1024,
        result["idle_instructions_per_second"],
    ]


def measure(rows, options):
    for number in range(options.runs):
        for row in rows:  # in turn: the host's speed drifts
            progress(f"Boot {number + 1} of {options.runs}: {row.subject.title}")
            row.time()
    idle = IDLE_SECONDS_QUICK if options.quick else IDLE_SECONDS
    for row in rows:
        if row.subject.is_frozen:
            continue
        for number in range(1 if options.quick else COUNTED_RUNS):
            progress(f"Counting instructions: {row.subject.title}")
            row.count(0 if number else idle)
        row.find_least()


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
