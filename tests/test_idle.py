"""The web system does next to nothing while nobody asks: nothing ticks. Counted by the plugin and the kernel, while real time passes."""

import subprocess
import sys
import time

from vm import ROOT, side_by_side

sys.path.insert(0, str(ROOT / "tools/sx"))

import bench  # noqa: E402, F401  (it makes the others known)
import network as networks  # noqa: E402
import qemu  # noqa: E402
from counter import Counter  # noqa: E402
from guest_memory import GuestMemory  # noqa: E402
from machine import Machine  # noqa: E402
from run import BOOTED, load_system  # noqa: E402
from subjects import options_of  # noqa: E402

IMAGE = ROOT / "build/web/starina.elf"
MEMORY_MIB = 64
SECONDS = 10
SETTLED_AFTER = 12  # the clock is measured, DHCP and ARP are done
# Of all CPUs. The LAPIC's timer reaches 4.3 s and is then set again: 2 or 3 interrupts, some 75 instructions per second.
TIMER_INTERRUPTS_MAX = 5
INSTRUCTIONS_PER_SECOND_MAX = 500
VARIANTS = [(mode, cpus) for mode in ("user", "kernel") for cpus in (1, 4)]


def check_that_it_idles(mode, cpus):
    options = options_of(networks.user(), MEMORY_MIB, [f"*={mode}"], [])
    options.cpus = cpus
    with GuestMemory(IMAGE) as memory, Counter() as counter:
        command = [*qemu.command(options, load_system("web"), memory.path), *counter.arguments()]
        with Machine(command, BOOTED.encode()) as machine:
            assert machine.wait_for_marker(time.monotonic() + 60), machine.console
            time.sleep(SETTLED_AFTER)
            counts, events = counter.read(), memory.counters()
            time.sleep(SECONDS)
            instructions, after = (counter.read() - counts).instructions, memory.counters()
    assert events["switches"] > 0  # it has run, and these are its counters
    timer_interrupts = after["timer_interrupts"] - events["timer_interrupts"]
    print(f"{mode}, {cpus} CPUs: {instructions / SECONDS:.0f} instructions per second, {timer_interrupts} timer interrupts")
    assert timer_interrupts <= TIMER_INTERRUPTS_MAX
    assert instructions <= INSTRUCTIONS_PER_SECOND_MAX * SECONDS


def test_idle_web_system_sleeps():
    subprocess.run([ROOT / "sx", "build", "web", "bench"], cwd=ROOT, capture_output=True, check=True)
    side_by_side(check_that_it_idles, VARIANTS)
