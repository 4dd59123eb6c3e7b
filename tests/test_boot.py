"""How a machine starts and ends: on which CPUs, with how little, in how many instructions, and leaving nothing behind."""

import hashlib
import json
import os
import re
import shlex
import signal
import struct
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
from vm import ROOT, Machine, free_port

INSTRUCTIONS_MAX = 20_000_000
PANIC_CODE = 100  # kernel/panic.c


def elf_hashes():
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (ROOT / "build/components").glob("*.elf")}


def is_alive(pid):
    return Path("/proc", str(pid)).exists()


def child_of(process):
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def test_boots_to_serving_in_few_instructions_with_32_mib():
    with Machine("--icount", "--memory", "32", system="web") as machine:
        line = machine.wait_for(r"booted in")
        milliseconds, instructions = re.search(r"booted in ([0-9.]+) ms, ([0-9]+) instructions", line).groups()
        assert 0 < int(instructions) <= INSTRUCTIONS_MAX
        assert float(milliseconds) == pytest.approx(int(instructions) / 1e6, rel=0.01)  # one per nanosecond
        assert machine.get("/") == (ROOT / "site/index.html").read_bytes()
        state = machine.status()
        assert state["boot_instructions"] == int(instructions)
        assert state["memory_total"] < 32 << 20


def test_without_icount_no_instructions_are_claimed():
    with Machine(system="web") as machine:
        assert re.search(r"booted in [0-9.]+ ms$", machine.wait_for(r"booted in"))
        assert machine.status()["boot_instructions"] == 0


def test_readme_tells_how_many_instructions_the_boot_takes():
    claimed = float(re.search(r"([0-9.]+) million instructions from the first", (ROOT / "README.md").read_text())[1])
    with Machine("--icount", system="web") as machine:
        assert claimed == pytest.approx(machine.status()["boot_instructions"] / 1e6, rel=0.15)


def test_panic_prints_a_backtrace_with_file_and_line(tmp_path):
    image = bytearray((ROOT / "build/hello/starina.elf").read_bytes())
    magic = struct.pack("<Q", 0x31484352414E5453)  # include/starina/archive.h: ARCHIVE_MAGIC
    archive = next(at for at in range(0, len(image), 4096) if image[at : at + 8] == magic)
    image[archive] ^= 1
    (tmp_path / "broken.elf").write_bytes(image)
    printed = subprocess.run([ROOT / "sx", "run", "--system", "hello", "--dry-run"], capture_output=True, text=True, check=True).stdout
    command = [str(tmp_path / "broken.elf") if word.endswith("/starina.elf") else word for word in shlex.split(printed)]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert ended.returncode == PANIC_CODE << 1 | 1
    named = subprocess.run([ROOT / "sx", "symbolize", "--system", "hello"], input=ended.stdout, capture_output=True).stdout.decode()
    assert "panic: the image has no archive" in named
    assert re.search(r"pc kernel\+0x[0-9a-f]+ \w+ kernel/main\.c:\d+", named), named
    assert re.search(r"pc kernel\+0x[0-9a-f]+ kernel_main kernel/main\.c:\d+", named), named


def test_instructions_are_the_same_in_every_run():
    counts = set()
    for _ in range(2):
        with Machine("--icount", system="hello") as machine:
            counts.add(machine.wait_for(r"booted in"))
    assert len(counts) == 1


def test_same_elf_runs_in_both_modes():
    images = {}
    for mode in ("user", "kernel"):
        with Machine("--isolate", f"*={mode}", system="web") as machine:
            modes = {item["name"]: item["isolation"] for item in machine.status()["components"]}
            assert modes.pop("init") == "user"  # it starts the others
            assert set(modes.values()) == {mode}
            images[mode] = elf_hashes() | {"image": hashlib.sha256((ROOT / "build/web/starina.elf").read_bytes()).hexdigest()}
    assert images["user"] == images["kernel"]
    assert {f"{name}.elf" for name in modes} <= images["user"].keys()


def target_tests():
    """The sentences of the tests that conformance has: its own, and unit tests that need nothing of the host."""
    component = tomllib.loads((ROOT / "apps/conformance/component.toml").read_text())
    units = [path for pattern in component["tests"] for path in ROOT.glob(pattern)]
    assert len(units) >= len(component["tests"]) > 0
    sources = [*units, *(ROOT / "apps/conformance").glob("*.c")]
    return [sentence for source in sources for sentence in re.findall(r'^TEST\("(.*)"\) \{$', source.read_text(), re.MULTILINE)]


def check_conformance(*arguments):
    expected = target_tests()
    with Machine(*arguments, system="conformance") as running:
        for mode in ("user", "kernel"):
            report = running.wait_for(rf"conformance_{mode}: .* passed, ", 60)
            assert report.endswith(f": {len(expected)} passed, 0 failed"), running.console.text()
            assert all(f"conformance_{mode}: ok: {sentence}" in running.console.text() for sentence in expected)


@pytest.mark.parametrize("cpu", ["qemu64", "max"])
@pytest.mark.parametrize("machine", ["microvm", "q35"])
def test_kernel_keeps_its_promises_to_components(cpu, machine):
    for cpus in ("1", "4"):
        check_conformance("--cpu", cpu, "--machine", machine, "--cpus", cpus)


@pytest.mark.parametrize("cpus", ["1", "4"])
def test_kernel_keeps_its_promises_without_its_fast_path(cpus, tmp_path):
    """While it traces, every system call takes the slow one."""
    check_conformance("--cpus", cpus, "--trace", str(tmp_path / "trace.json"))


def test_machine_that_is_too_small_is_named():
    with Machine("--memory", "8", system="web") as machine:
        machine.wait_for(r"sx: \w+ does not fit into the machine's 8 MiB, .*; try --memory 16")
        assert "serves at" not in machine.console.text()


def test_eight_cpus():
    with Machine("--cpus", "8") as machine:
        assert machine.status()["cpus"] == 8
        assert machine.get("/")


@pytest.mark.parametrize("level, has_info, has_debug", [(1, False, False), (2, True, False), (3, True, True)])
def test_lines_of_a_level_appear_when_asked_for(level, has_info, has_debug):
    with Machine("--set", f"hello.log_level={level}", system="hello") as machine:
        machine.wait_for(r"init: hello: ended")
        console = machine.console.text()
        assert bool(re.search(r"\] hello: (?!debug)", console)) == has_info
        assert ("hello: debug: known here as hello" in console) == has_debug


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_machine_and_leaves_nothing(number, tmp_path):
    with Machine("--trace", str(tmp_path / "trace.json"), system="hello") as machine:
        qemu = child_of(machine.process)
        assert is_alive(qemu)
        machine.process.send_signal(number)
        assert machine.process.wait(10) == 130
        assert not is_alive(qemu)
        assert not (ROOT / f"build/hello/ram-{machine.process.pid}").exists()


def test_killed_sx_leaves_no_machine():
    with Machine(system="hello") as machine:
        qemu = child_of(machine.process)
        os.kill(machine.process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while is_alive(qemu) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_alive(qemu)


def test_busy_port_is_reported():
    with Machine() as machine:
        second = subprocess.run([ROOT / "sx", "run", "--port", str(machine.port)], capture_output=True, text=True, timeout=60)
        assert second.returncode == 1
        assert f"port {machine.port} can't be used" in second.stdout + second.stderr


def test_dry_run_prints_the_command_that_runs():
    port = str(free_port())
    words = shlex.split(subprocess.run([ROOT / "sx", "run", "--port", port, "--dry-run"], capture_output=True, text=True, check=True).stdout)
    assert words[0] == "qemu-system-x86_64"
    with Machine("--port", port, system="web") as machine:
        running = Path(f"/proc/{child_of(machine.process)}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        assert running == words


def test_trace_tells_what_ran(tmp_path):
    file = tmp_path / "trace.json"
    with Machine("--trace", str(file), "--set", "chaos.act=divide", "--cpus", "2") as machine:
        for _ in range(20):
            machine.get("/")
        machine.wait_for(r"init: chaos: restart 1")
    events = json.loads(file.read_text())["traceEvents"]
    seen = {(event.get("cat"), event["name"]) for event in events}
    assert {("switch", "tcpip"), ("switch", "http_server"), ("switch", "virtio_net"), ("switch", "chaos")} <= seen
    assert {("fault", "division by zero"), ("interrupt", "timer interrupt"), ("system call", "poll_wait")} <= seen
    assert any(category == "message" and "stream." in name for category, name in seen)
    assert any(category == "interrupt" and re.match(r"interrupt \d", name) for category, name in seen)
    slices = [(event["ts"], event["ts"] + event["dur"]) for event in events if event.get("cat") == "switch" and event["tid"] == 0]
    assert any(end < begin for (_, end), (begin, _) in zip(slices, slices[1:]))  # it idled in between
