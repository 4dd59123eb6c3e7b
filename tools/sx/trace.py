"""Turns the kernel's trace buffer (kernel/trace.h) into a Chrome trace, which ui.perfetto.dev shows.

The virtual machine's memory is a file, which is still there after the machine has ended, however that came.
"""

import json
import mmap
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

from paths import ROOT
from ui import Fail, say

IMAGE_BASE = 0xFFFFFFFF80000000  # kernel/arch/x86_64/arch_types.h: ARCH_IMAGE_BASE, ARCH_DIRECT_MAP
DIRECT_MAP = 0xFFFF800000000000
CPU_MAX, NAMES_MAX, NAME_SIZE = 8, 128, 32
AREA = struct.Struct(f"<QII{CPU_MAX}Q")
EVENT = struct.Struct("<QIIQQ")
SWITCH, SEND, CALL, RECEIVE, SYSTEM_CALL, INTERRUPT, FAULT, COMPONENT, TIMER, RESCHEDULE = range(1, 11)
CPUS, COMPONENTS = 1, 2  # "processes" of the Chrome trace
EXCEPTIONS = {0: "division by zero", 6: "illegal instruction", 13: "general protection", 14: "page fault"}


def symbol_address(image, name):
    """Of data."""
    result = subprocess.run(["llvm-nm-19", image], capture_output=True, text=True)
    for line in result.stdout.splitlines():
        address, kind, symbol = line.split()[-3:]
        if symbol == name and kind in "BbDdRr":
            return int(address, 16)
    raise Fail(f"{image} has no data named {name}; build it again")


def read(ram, area_at):
    """({process id slot: name}, [events of each CPU in order]) from a machine's memory."""
    events_at, cpus, capacity, *written = AREA.unpack_from(ram, area_at)
    if events_at == 0:
        raise Fail("the kernel had not begun to trace; it ended too early")
    start = events_at - DIRECT_MAP
    if cpus > CPU_MAX or start < 0 or start + cpus * capacity * EVENT.size > len(ram):
        raise Fail("the trace buffer is damaged; nothing was written")
    names = {}
    for slot in range(NAMES_MAX):
        raw = bytes(ram[(at := area_at + AREA.size + slot * NAME_SIZE) : at + NAME_SIZE])
        names[slot] = raw.split(b"\0")[0].decode(errors="replace")
    return names, [cpu_events(ram, start + cpu * capacity * EVENT.size, capacity, written[cpu]) for cpu in range(cpus)]


def cpu_events(ram, at, capacity, written):
    """(time, kind, a, b), oldest first."""
    numbers = range(max(0, written - capacity), written)
    unpacked = (EVENT.unpack_from(ram, at + number % capacity * EVENT.size) for number in numbers)
    return [(time, kind, a, b) for time, kind, _, a, b in unpacked]


class Names:
    """What the numbers in events mean."""

    def __init__(self, processes):
        self.processes = processes
        self.messages = message_names()
        definition = tomllib.loads((ROOT / "include/starina/syscalls.toml").read_text())
        self.calls = list(definition)

    def process(self, number):
        return self.processes.get(number % NAMES_MAX) or f"process {number}"

    def message(self, kind):
        base = self.messages.get(kind & ~3, f"message {kind >> 2:#x}")
        return base + (" reply" if kind & 3 == 1 else "")

    def call(self, number):
        return self.calls[number] if number < len(self.calls) else f"call {number}"


def message_names():
    """Message kinds without their class, to `interface.message`."""
    sys.path.insert(0, str(ROOT / "tools"))
    from interface_model import load

    interfaces = [load(path) for path in sorted((ROOT / "interfaces").glob("*.toml"))]
    pairs = ((item, message) for item in interfaces for message in item.messages)
    return {item.number << 16 | message.number << 2: f"{item.name}.{message.name}" for item, message in pairs}


def describe(names, kind, a, b):
    """(category, title, arguments) of an event that is not a switch."""
    if kind in (SEND, CALL, RECEIVE):
        verb = {SEND: "send", CALL: "call", RECEIVE: "receive"}[kind]
        return "message", f"{verb} {names.message(a)}", {"transaction": b}
    if kind == SYSTEM_CALL:
        return "system call", names.call(a), {}
    if kind in (INTERRUPT, TIMER, RESCHEDULE):
        title = {INTERRUPT: f"interrupt {a}", TIMER: "timer interrupt", RESCHEDULE: "reschedule interrupt"}[kind]
        return "interrupt", title, {}
    if kind == FAULT:
        return "fault", EXCEPTIONS.get(a, f"fault {a}"), {"address": f"{b:#x}"}
    return "component", f"event {a}", {"value": b}


def slice_event(pid, tid, title, begin, end, arguments):
    times = {"ts": begin / 1000, "dur": (end - begin) / 1000}
    return {"ph": "X", "cat": "switch", "pid": pid, "tid": tid, "name": title, "args": arguments} | times


def instant(pid, tid, category, title, time, arguments):
    return {"ph": "i", "s": "t", "cat": category, "pid": pid, "tid": tid, "name": title, "ts": time / 1000, "args": arguments}


def convert_cpu(cpu, events, names, seen):
    """Chrome events of one CPU: what ran on its track, and each component's doings on the component's own."""
    result, running, since = [], (0, 0), None
    for time, kind, a, b in [*events, (events[-1][0] if events else 0, SWITCH, 0, 0)]:
        if kind != SWITCH:
            category, title, arguments = describe(names, kind, a, b)
            track = (COMPONENTS, running[1]) if running[1] else (CPUS, cpu)
            result.append(instant(*track, category, title, time, arguments))
            continue
        if running[1] and since is not None:
            seen.add(running[1])
            arguments = {"thread": running[0], "cpu": cpu}
            result.append(slice_event(CPUS, cpu, names.process(running[1]), since, time, arguments))
            result.append(slice_event(COMPONENTS, running[1], "running", since, time, arguments))
        running, since = (a, b), time
    return result


def title_event(what, pid, title, tid=0):
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": title}}


def convert(processes, cpus):
    names, seen = Names(processes), set()
    events = [title_event("process_name", CPUS, "CPUs"), title_event("process_name", COMPONENTS, "Components")]
    for cpu, items in enumerate(cpus):
        events.append(title_event("thread_name", CPUS, f"CPU {cpu}", cpu))
        events += convert_cpu(cpu, items, names, seen)
    events += [title_event("thread_name", COMPONENTS, names.process(item), item) for item in sorted(seen)]
    return {"displayTimeUnit": "ns", "traceEvents": events}


def save(ram_file, image, target):
    """Writes the trace of the ended machine whose memory is in ram_file."""
    with open(ram_file, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as ram:
        processes, cpus = read(ram, symbol_address(image, "trace_area") - IMAGE_BASE)
    Path(target).write_text(json.dumps(convert(processes, cpus)))
    say(f"Wrote {sum(map(len, cpus))} events to {target}; open it in ui.perfetto.dev.")
