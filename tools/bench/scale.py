"""sx bench scale: what the big kernel lock costs, with 1 to 8 CPUs, where components send messages and where a page is served.

Counted in instructions and events, never in time. With one CPU nobody waits for the lock: there the instructions that need it are
measured, and for messages they are the same in every run. With several, QEMU's CPUs are threads of the host, and what they execute
while they wait is counted too.
"""

import re
import time
from dataclasses import dataclass

import load
import network as networks
import qemu
import reference
import table
from counter import Counter
from guest_memory import GuestMemory
from kernel_lock import KernelCode, Share, rate
from machine import Machine
from paths import BUILD
from run import BOOTED, load_system
from subjects import options_of
from ui import Fail, progress

MODES = ("user", "kernel")
CPUS, CPUS_QUICK = (1, 2, 4, 8), (1, 2)
MEMORY_MIB = 64
TIMEOUT_SECONDS = 240
SECONDS = 3  # of load with several CPUs
SECONDS_COUNTED = 1  # of messages with one CPU: 10^9 instructions, of which the boot is 0.2 %
CONNECTIONS, PATH, WARM_SECONDS = 16, "/test/2048", 1
MESSAGES = ["init.allow_kill=1", "init.log_level=0", "stress_control.kill_every_ms=0"]
EVENTS = {
    "lock_waits": "lock waits",
    "lock_spins": "looks at it",
    "system_calls": "system calls",
    "switches": "switches",
    "space_switches": "CR3 writes",
    "interrupts": "interrupts",
    "ipis": "IPIs",
}


@dataclass
class Figure:
    """Of one load in one mode with so many CPUs."""

    cpus: int
    operations: int
    share: Share
    events: dict

    def per_operation(self):
        parts = {key: getattr(self.share, key) / self.operations for key in ("held", "waiting", "outside")}
        events = self.events | {"system_calls": self.share.system_calls}
        return parts | {key: events[key] / self.operations for key in EVENTS}


class Running:
    """`with Running(system, mode, cpus, settings, marker) as running:` is a counted machine that said the marker."""

    def __init__(self, system, mode, cpus, settings, marker, is_icount=False):
        self.image = BUILD / system / "starina.elf"
        self.memory, self.counter = GuestMemory(self.image), Counter("exact" if cpus > 1 else "on")
        self.network = networks.user()
        self.options = options_of(self.network, MEMORY_MIB, [f"*={mode}"], settings)
        self.options.cpus, self.options.icount = cpus, is_icount
        self.system, self.marker = system, marker
        self.title = f"{system}, {mode} mode, {cpus} CPU{'s' if cpus > 1 else ''}"

    def __enter__(self):
        progress(f"Counting: {self.title}")
        self.memory.__enter__()
        self.counter.__enter__()
        command = qemu.command(self.options, load_system(self.system), self.memory.path)
        self.machine = Machine([*command, *self.counter.arguments()], self.marker).__enter__()
        if not self.machine.wait_for_marker(time.monotonic() + TIMEOUT_SECONDS):
            failure = self.machine.failure(self.title, f"did not say {self.marker!r}")
            self.__exit__()
            raise failure
        return self

    def __exit__(self, *exception):
        self.machine.stop()
        self.counter.__exit__()
        self.memory.__exit__()

    def count(self):
        self.counter.settled()
        return self.memory.counters(), self.counter.blocks()


def share_since(code, before, after):
    """Blocks keep their place in the list."""
    for block, then in zip(after, before):
        block.executions -= then.executions
    return code.share(after)


def messages(mode, cpus):
    """The calls of the system `stress`, in which nobody is killed; an operation is a call and its answer."""
    seconds = SECONDS_COUNTED if cpus == 1 else SECONDS
    settings = [*MESSAGES, f"stress_control.seconds={seconds}"]
    with Running("stress", mode, cpus, settings, b"stress_control: every reply", is_icount=cpus == 1) as running:
        events, blocks = running.count()
        answered = re.search(rb"(\d+) answered", running.machine.console)
        return Figure(cpus, int(answered[1]), KernelCode.of(running.image).share(blocks), events)


def page(mode, cpus):
    """Requests for 2 KiB over kept connections."""
    with Running("bench_web", mode, cpus, [], BOOTED.encode()) as running:
        load.load(running.network, PATH, CONNECTIONS, WARM_SECONDS)
        before, blocks_before = running.count()
        report = load.load(running.network, PATH, CONNECTIONS, SECONDS)
        after, blocks = running.count()
        if report.requests == 0:
            raise Fail(f"{running.title}: no request was answered within {SECONDS} s")
        share = share_since(KernelCode.of(running.image), blocks_before, blocks)
        return Figure(cpus, report.requests, share, {name: after[name] - before[name] for name in after})


LOADS = {"messages": ("calls between components", messages), "page": ("a page of 2 KiB", page)}


def speed_up(figure, one):
    """Of these CPUs over one, from the instructions that each needs: what waiting and the host make of it is left out."""
    return rate(figure.share.held / figure.operations, figure.share.outside / figure.operations, figure.cpus) * one.share.total / one.operations


def bound_row(title, figure):
    share = figure.share
    busy = share.held + share.outside
    return [title, share.held / figure.operations, share.outside / figure.operations, 100 * share.held / busy, busy / share.held]


def scale_row(figure, one):
    parts = figure.per_operation()
    total = figure.share.total / figure.operations
    instructions = [total, parts["held"], parts["waiting"], parts["outside"], 100 * parts["waiting"] / total]
    return [str(figure.cpus), *instructions, speed_up(figure, one), *(parts[key] for key in EVENTS)]


def result_of(figure, one):
    return {"cpus": figure.cpus, "operations": figure.operations, "speed_up": round(speed_up(figure, one), 3)} | figure.per_operation()


def counts_of(measured):
    """What is the same in every run."""
    figures = {mode: figures[0] for (name, mode), figures in measured.items() if name == "messages"}
    return {f"messages {mode} {part}": round(figure.per_operation()[part], 2) for mode, figure in figures.items() for part in ("held", "outside")}


def tables_of(measured):
    heads = ["one CPU", "with the lock", "without", "with, %", "speed-up at most"]
    rows = [bound_row(f"{LOADS[name][0]}, {mode} mode", figures[0]) for (name, mode), figures in measured.items()]
    yield "Instructions per operation, and by how much any number of CPUs could be faster", heads, rows
    heads = ["CPUs", "instructions", "with the lock", "waiting", "without", "waiting, %", "speed-up", *EVENTS.values()]
    for (name, mode), figures in measured.items():
        yield f"Per operation: {LOADS[name][0]}, {mode} mode", heads, [scale_row(figure, figures[0]) for figure in figures]


def main(options, build):
    build(["stress", "bench_web", "bench"])
    cpus = CPUS_QUICK if options.quick else CPUS
    measured = {(name, mode): [measure(mode, number) for number in cpus] for name, (_, measure) in LOADS.items() for mode in MODES}
    result = {
        "benchmark": "scale",
        "host": table.host(),
        "loads": {
            f"{name} {mode}": [result_of(figure, figures[0]) for figure in figures]
            for (name, mode), figures in measured.items()
        },
    }
    table.publish(result, options.json, list(tables_of(measured)))
    if options.set_reference:
        reference.save("scale", counts_of(measured))
    if options.check:
        reference.check("scale", counts_of(measured))
