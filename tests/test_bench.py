"""sx bench: that it measures, and that what it counts is right. Without peers: those take a while to build."""

import json
import os
import re
import subprocess
import sys
import time

import pytest
from vm import ROOT

sys.path.insert(0, str(ROOT / "tools/sx"))

import bench  # noqa: E402, F401  (it makes the others known)
import network as networks  # noqa: E402
import qemu  # noqa: E402
import reference  # noqa: E402
from counter import Counter  # noqa: E402
from machine import Machine  # noqa: E402
from run import load_system  # noqa: E402
from snapshot import Monitor  # noqa: E402
from subjects import options_of  # noqa: E402

IPC_BUDGETS = {"queue_64_bytes": 150, "folio_kib": 3}  # instructions: per message of 64 bytes, per KiB
CALL_BUDGETS = {
    "user": {"null": 40, "send_4_words": 110, "call_4_words": 400, "call_64_bytes": 450, "call_1_handle": 900, "send_wait_4_words": 500},
    "kernel": {"call_4_words": 250, "upcall_4_words": 100},
    "mixed": {"call_4_words": 400},
}
OVERCOUNT = 1_000  # instructions of blocks that a fault leaves early: some seventy faults


def sx(*arguments):
    return subprocess.run([ROOT / "sx", *arguments], capture_output=True, text=True, timeout=240)


def temporary_folders():
    return {path for path in (ROOT / "build").iterdir() if path.name.startswith(("count-", "snapshot-"))}


def test_boot_gives_sane_figures_and_leaves_nothing():
    before = temporary_folders()
    done = sx("bench", "boot", "--quick", "--runs", "1", "--peers", "none", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    floor, user, kernel, web = result["systems"]
    assert [system["name"] for system in result["systems"]] == ["floor", "starina-user", "starina-kernel", "starina-web-user"]
    assert floor["over_floor_ms"] is None and floor["idle_instructions_per_second"] == 0
    assert floor["instructions"] < 100_000 and floor["blocks_translated"] < 1000
    for visitors in (user, kernel):  # the budget of the machine that the gateway boots
        assert visitors["instructions"] <= 1_000_000 and visitors["blocks_translated"] <= 4_000
        assert visitors["least_memory_mib"] <= 8 and visitors["resident_kib"] <= 50 * 1024
        assert visitors["image_bytes"] <= 1 << 20 and visitors["idle_instructions_per_second"] <= 5_000
    for ours in (user, kernel, web):
        assert 1 < ours["wall_ms"]["median"] < 60_000 and 1 < ours["cpu_ms"]["median"] < 60_000
        assert ours["instructions"] > 10 * floor["instructions"]
        assert ours["blocks_translated"] > floor["blocks_translated"]
        assert floor["least_memory_mib"] < ours["least_memory_mib"] <= 32
        assert 10_000 < ours["anonymous_kib"] < ours["resident_kib"] < 200_000
        assert 100_000 < ours["image_bytes_compressed"] < ours["image_bytes"]
        assert ours["idle_instructions_per_second"] < 1_000_000
    assert temporary_folders() <= before


def test_net_finds_that_bodies_are_not_copied():
    done = sx("bench", "net", "--json")
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)["answers"]
    assert {(answer["mode"], answer["body"]) for answer in answers} == {(mode, size) for mode in ("user", "kernel") for size in (2048, 1 << 20)}
    for answer in answers:
        assert 50 < answer["bytes_copied"] < 200  # the head
        most = 20_000 if answer["body"] == 2048 else {"user": 1_500_000, "tap": 300_000}[answer["network"]]
        assert most / 10 < answer["instructions"] < most
        assert answer["page_faults"] == 0 and answer["system_calls"] > 1 and answer["interrupts"] > 1 and answer["messages"] > 1


def test_streams_are_within_their_budgets():
    """What a run may be over the reference that it is checked against (docs/benchmarks.md) included."""
    counts = json.loads(reference.path_of("ipc").read_text())
    for pair in ("user", "kernel", "mixed"):
        for name, budget in IPC_BUDGETS.items():
            assert counts[f"{pair} {name}"] * (1 + reference.ALLOWED_RISE) <= budget


def test_calls_are_within_their_budgets():
    counts = json.loads(reference.path_of("ipc").read_text())
    over = [(pair, name) for pair, budgets in CALL_BUDGETS.items() for name in budgets if counts[f"{pair} {name}"] > budgets[name]]
    assert over == []


def counted(folder):
    """(by the plugin, by QEMU itself) instructions of the system hello, from the first one until it is idle."""
    options = options_of(networks.user(), 64, [], [])
    options.icount = True
    monitor = folder / "monitor"
    command = [*qemu.command(options, load_system("hello")), "-qmp", f"unix:{monitor},server=on,wait=off"]
    with Counter() as counter, Machine([*command, *counter.arguments()], b"echo_client: ended") as machine:
        assert machine.wait_for_marker(time.monotonic() + 30), machine.console
        counter.settled(pause=0.5, timeout=20)  # long enough for a QEMU that a busy machine lets wait
        control = Monitor(monitor)
        control.ask("stop")
        try:
            return counter.read().instructions, control.ask("query-replay")["icount"]
        finally:
            control.close()


def test_plugin_counts_what_qemu_counts(tmp_path):
    subprocess.run(["ninja", "-f", "build/build.ninja", "--quiet", "bench", "build/hello/starina.elf"], cwd=ROOT, check=True)
    (first, exact), again = counted(tmp_path), counted(tmp_path)
    assert (first, exact) == again
    assert exact <= first <= exact + OVERCOUNT


def test_profile_names_components_and_functions(tmp_path):
    done = sx("bench", "boot", "--profile", str(tmp_path / "blocks"))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^kernel \w+ +[\d,]+ +\d+$", done.stdout, re.MULTILINE)
    lines = [line.split() for line in (tmp_path / "blocks").read_text().splitlines()]
    assert {"kernel", "init", "http_server"} <= {line[5] for line in lines}
    executed = [(int(line[2]) * int(line[3]), line[5]) for line in lines]
    unknown = sum(count for count, owner in executed if owner in ("?", "firmware"))
    assert unknown < sum(count for count, _ in executed) / 20


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["fly"], "invalid choice: 'fly'"),
        (["boot", "--runs", "0"], "'0' is not a number"),
        (["boot", "--peers", "some"], "invalid choice: 'some'"),
        (["web", "--profile", "x"], "--profile is of sx bench boot"),
        (["web", "--check"], "--check and --set-reference are of sx bench ipc"),
    ],
)
def test_wrong_options_are_one_line(arguments, complaint):
    done = sx("bench", *arguments)
    assert done.returncode == 1 and complaint in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
def test_tap_lives_in_a_namespace_that_goes():
    network = networks.tap(0)
    try:
        with network.inside():
            assert networks.TAP in interfaces()
        assert networks.TAP not in interfaces()
    finally:
        network.close()
    assert network.prefix[-1] not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout


def interfaces():
    """The names of the network interfaces that this thread sees."""
    with open("/proc/thread-self/net/dev") as file:
        return [line.split(":")[0].strip() for line in file if ":" in line]
