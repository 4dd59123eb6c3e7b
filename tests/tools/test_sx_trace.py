"""The kernel's trace buffer, read from a machine's memory, becomes a Chrome trace."""

import struct

import pytest
import trace
from ui import Fail

AREA_AT, EVENTS_AT, CAPACITY = 4096, 16384, 4


def memory(*cpus, names=None, events_at=trace.DIRECT_MAP + EVENTS_AT):
    """RAM that holds a trace area and, for each CPU, all the events that were ever written."""
    ram = bytearray(32768)
    written = [len(events) for events in cpus] + [0] * (trace.CPU_MAX - len(cpus))
    trace.AREA.pack_into(ram, AREA_AT, events_at, len(cpus), CAPACITY, *written)
    for slot, name in (names or {}).items():
        struct.pack_into("32s", ram, AREA_AT + trace.AREA.size + slot * trace.NAME_SIZE, name.encode())
    for cpu, events in enumerate(cpus):
        for number, (time, kind, a, b) in enumerate(events):
            at = EVENTS_AT + (cpu * CAPACITY + number % CAPACITY) * trace.EVENT.size
            trace.EVENT.pack_into(ram, at, time, kind, 0, a, b)
    return ram


def test_newest_events_come_in_order():
    events = [(time, trace.INTERRUPT, time, 0) for time in range(1, 7)]
    _, cpus = trace.read(memory(events, events[:2]), AREA_AT)
    assert [[event[0] for event in items] for items in cpus] == [[3, 4, 5, 6], [1, 2]]


def test_tracing_that_never_began_is_told():
    with pytest.raises(Fail, match="had not begun to trace"):
        trace.read(memory([], events_at=0), AREA_AT)


def test_damaged_buffer_is_told():
    with pytest.raises(Fail, match="damaged"):
        trace.read(memory([], events_at=trace.DIRECT_MAP + (1 << 30)), AREA_AT)


def test_running_components_become_slices_and_their_doings_instants():
    kind = next(number for number, name in trace.message_names().items() if name == "echo.echo")
    events = [(1000, trace.SWITCH, 5, 2), (1500, trace.CALL, kind, 9), (3000, trace.SWITCH, 0, 0), (4000, trace.INTERRUPT, 33, 0)]
    chrome = trace.convert(*trace.read(memory(events, names={2: "hello"}), AREA_AT))["traceEvents"]
    slices = [(item["pid"], item["tid"], item["name"], item["ts"], item["dur"]) for item in chrome if item["ph"] == "X"]
    assert slices == [(trace.CPUS, 0, "hello", 1.0, 2.0), (trace.COMPONENTS, 2, "running", 1.0, 2.0)]
    instants = [(item["pid"], item["tid"], item["name"]) for item in chrome if item["ph"] == "i"]
    assert instants == [(trace.COMPONENTS, 2, "call echo.echo"), (trace.CPUS, 0, "interrupt 33")]
    titles = {(item["pid"], item["tid"], item["args"]["name"]) for item in chrome if item["ph"] == "M"}
    assert {(trace.CPUS, 0, "CPU 0"), (trace.COMPONENTS, 2, "hello")} <= titles


def test_unknown_numbers_are_shown_as_they_are():
    names = trace.Names({})
    assert (names.process(7), names.call(999), names.message(0xFFFF0000)) == ("process 7", "call 999", "message 0x3fffc000")
