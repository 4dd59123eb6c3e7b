"""sx bench ipc: what system calls and messages between two components take, in instructions."""

import re
import time
from dataclasses import dataclass

import network as networks
import qemu
import reference
import table
from machine import Machine
from run import load_system
from subjects import options_of
from ui import progress

SYSTEM = "bench_ipc"
MEMORY_MIB = 64
TIMEOUT_SECONDS = 60
OPERATIONS = 1000  # that the events of a line are for
PAIRS = {
    "user": ("user and user", ["*=user"]),
    "kernel": ("kernel and kernel", ["*=kernel"]),
    "mixed": ("user calls kernel", ["ipc_bench=user", "ipc_server=kernel"]),
}
TITLES = {
    "null": "null system call",
    "send_4_words": "send 4 words, no one waits",
    "receive_4_words": "receive them",
    "call_0_words": "call and reply, 0 words",
    "call_4_words": "4 words",
    "call_64_bytes": "64 bytes",
    "call_4_words_timed": "4 words, with a deadline",
    "call_1_handle": "1 handle, moved",
    "send_wait_4_words": "send, wait, send, wait: 4 words",
    "generated_call_4_words": "4 words, generated code on both sides",
    "queue_64_bytes": "64 bytes through a queue in shared memory",
    "folio_kib": "1 KiB of 1 GiB, moved as folios of 1 MiB",
}
EVENTS = ("calls", "spaces", "switches", "interrupts", "ipis", "faults")


@dataclass
class Figure:
    instructions: float  # per operation
    events: dict  # per operation


def parse(console):
    """{name: Figure} of what ipc_bench logged."""
    results = re.findall(r"ipc_bench: result (\w+) (\d+)", console)
    events = {name: re.findall(r"(\w+) (\d+)", rest) for name, rest in re.findall(r"ipc_bench: events (\w+) (.*)", console)}
    return {
        name: Figure(int(hundredths) / 100, {kind: int(count) / OPERATIONS for kind, count in events.get(name, [])})
        for name, hundredths in results
    }


def measure(pair):
    title, isolate = PAIRS[pair]
    options = options_of(networks.user(), MEMORY_MIB, isolate, [])
    options.icount = True
    progress(f"Counting instructions: {title}")
    with Machine(qemu.command(options, load_system(SYSTEM)), b"init: ipc_bench: ended") as machine:
        ended = machine.wait_for_marker(time.monotonic() + TIMEOUT_SECONDS)
        figures = parse(machine.console.decode(errors="replace"))
        if not ended or list(figures) != list(TITLES):
            raise machine.failure(title, "did not come to its end")
    return figures


def rows(measured):
    return [[TITLES[name], *(figures[name].instructions for figures in measured.values())] for name in TITLES]


def event_rows(figures):
    return [[TITLES[name], *(figure.events[kind] for kind in EVENTS)] for name, figure in figures.items() if figure.events]


def main(options, build):
    build([SYSTEM])
    measured = {pair: measure(pair) for pair in PAIRS}
    counts = {f"{pair} {name}": figure.instructions for pair, figures in measured.items() for name, figure in figures.items()}
    result = {
        "benchmark": "ipc",
        "pairs": {
            pair: {name: {"instructions": figure.instructions} | figure.events for name, figure in figures.items()}
            for pair, figures in measured.items()
        },
    }
    titles = [title for title, _ in PAIRS.values()]
    tables = [("Instructions per operation", ["operation", *titles], rows(measured))]
    heads = ["operation", "system calls", "CR3 writes", "switches", "interrupts", "IPIs", "faults"]
    for pair, figures in measured.items():
        tables.append((f"Events per operation, {PAIRS[pair][0]}", heads, event_rows(figures)))
    table.publish(result, options.json, tables)
    if options.set_reference:
        reference.save("ipc", counts)
    if options.check:
        reference.check("ipc", counts)
