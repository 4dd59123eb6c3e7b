"""sx bench ipc: what system calls and messages between two components take, in instructions."""

import re
from dataclasses import dataclass

import guest_counts
import reference
import table

SYSTEM, PROGRAM = "bench_ipc", "ipc_bench"
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
    "upcall_4_words": "4 words, by an upcall where it can be",
    "upcall_4_words_timed": "4 words, the same with a deadline",
    "upcall_64_bytes": "64 bytes, by an upcall where it can be",
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
    events = {name: re.findall(r"(\w+) (\d+)", rest) for name, rest in re.findall(rf"{PROGRAM}: events (\w+) (.*)", console)}
    return {
        name: Figure(instructions, {kind: int(count) / OPERATIONS for kind, count in events.get(name, [])})
        for name, instructions in guest_counts.instructions_of(PROGRAM, console).items()
    }


def measure(pair):
    title, isolate = PAIRS[pair]
    figures = parse(guest_counts.console_of(SYSTEM, PROGRAM, title, isolate))
    guest_counts.check_names(title, figures, TITLES)
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
