"""Benchmarks that a component makes of itself, under -icount: it logs what each operation takes."""

import re
import time

import network as networks
import qemu
from machine import Machine
from run import load_system
from subjects import options_of
from ui import Fail, progress

MEMORY_MIB = 64
TIMEOUT_SECONDS = 60


def console_of(system, program, title, isolate):
    """What a program of a system logged until it ended."""
    options = options_of(networks.user(), MEMORY_MIB, isolate, [])
    options.icount = True
    progress(f"Counting instructions: {title}")
    with Machine(qemu.command(options, load_system(system)), f"init: {program}: ended".encode()) as machine:
        if not machine.wait_for_marker(time.monotonic() + TIMEOUT_SECONDS):
            raise machine.failure(title, "did not come to its end")
        return machine.console.decode(errors="replace")


def instructions_of(program, console):
    """{name: instructions per operation}"""
    return {name: int(hundredths) / 100 for name, hundredths in re.findall(rf"{program}: result (\w+) (\d+)", console)}


def check_names(title, names, expected):
    if list(names) != list(expected):
        raise Fail(f"{title}: measured {', '.join(names)}, not {', '.join(expected)}")
