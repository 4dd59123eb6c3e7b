"""Every visitor gets a fresh machine: the real one, behind the real gateway. VISITS=2000 CROWD=500 makes it as long as published."""

import json
import os
import re
import shlex
import signal
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gateways import Gateway, status_of, wait_until
from vm import ROOT, Console, free_port

VISITS = int(os.environ.get("VISITS", "12"))
CROWD = int(os.environ.get("CROWD", "12"))
AT_ONCE = 20
# The page, and behind it the machine's state, over one connection.
BOTH = b"GET / HTTP/1.1\r\nHost: t\r\n\r\nGET /api/status HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
PAGE = (ROOT / "site/index.html").read_bytes()
MEMORY_PER_VM_MAX_KIB = 50 * 1024


def machine_command(*arguments):
    """What `sx serve` has the gateway run for each visitor."""
    line = subprocess.run([ROOT / "sx", "serve", "--dry-run", *arguments], capture_output=True, text=True, check=True).stdout
    words = shlex.split(line)
    return words[words.index("--") + 1 :]


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run([ROOT / "sx", "build", "visit", "gateway", "--yes"], check=True, capture_output=True)


class Visit:
    """A visit's answer, taken apart."""

    def __init__(self, gateway):
        started = time.perf_counter()
        with gateway.connect(timeout=60) as client:
            client.sendall(BOTH)
            answer = client.recv(65536)
            self.first_byte_ms = (time.perf_counter() - started) * 1000
            while part := client.recv(65536):
                answer += part
        head, rest = answer.split(b"\r\n\r\n", 1)
        assert status_of(answer) == 200, answer[:300]
        assert rest[: len(PAGE)] == PAGE
        self.boot_us = int(re.search(rb"\r\nX-Starina-Boot-Us: (\d+)", head)[1])
        second_head, body = rest[len(PAGE) :].split(b"\r\n\r\n", 1)
        assert b"X-Starina-Boot-Us" not in second_head
        self.state = json.loads(body)


def shown(name, visits):
    times = sorted(visit.first_byte_ms for visit in visits)
    print(f"{name}: {len(times)} visits, first byte p50 {statistics.median(times):.1f} ms, p99 {times[int(len(times) * 0.99)]:.1f} ms")


@pytest.mark.parametrize("warm", ["0", "4"])
def test_every_visit_is_answered_right_by_a_machine_of_its_own_and_nothing_is_left(warm):
    with Gateway(machine_command(), "--vms", "32", "--warm", warm) as gateway:
        wait_until(lambda: gateway.metric("vms_warm") == int(warm), 30, "the warm pool")
        before = len(gateway.children()), gateway.descriptors(), gateway.memory_kib()
        one_by_one = [Visit(gateway) for _ in range(VISITS)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            at_once = list(pool.map(lambda _: Visit(gateway), range(CROWD)))
        shown(f"warm {warm}, one after the other", one_by_one)
        shown(f"warm {warm}, {AT_ONCE} at a time", at_once)
        visits = one_by_one + at_once
        assert len({visit.state["machine"] for visit in visits}) == len(visits)
        assert all(visit.state["connections"] == 1 for visit in visits)
        if warm == "0":
            assert all(0 < visit.boot_us < visit.first_byte_ms * 1000 for visit in visits)
        wait_until(lambda: gateway.metric("visits_active") == 0 and gateway.metric("vms") == int(warm), 30, "the end of the visits")
        wait_until(lambda: gateway.metric("vms_warm") == int(warm), 30, "the warm pool")
        wait_until(lambda: gateway.descriptors() <= before[1], 30, "the descriptors' return")  # it has just answered for its metrics
        after = len(gateway.children()), gateway.descriptors(), gateway.memory_kib()
        print("processes, descriptors, KiB before and after:", before, after)
        assert after[0] == before[0] and after[1] <= before[1]
        assert after[2] <= before[2] + 8192  # its fixed pools, once touched
        assert gateway.metric('failed_total{reason="aborted"}') == 0
        assert [event["outcome"] for event in gateway.events("visit")] == ["served"] * len(visits)


@pytest.mark.parametrize("mode", ["user", "kernel"])
def test_machine_is_isolated_as_chosen_and_small(mode):
    with Gateway(machine_command("--isolate", f"*={mode}")) as gateway:
        with gateway.connect() as client:
            client.sendall(BOTH.replace(b"Connection: close\r\n", b""))
            answer = b""
            while b"]}" not in answer:
                answer += client.recv(65536)
            (pid,) = gateway.children()
            resident = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
            assert resident <= MEMORY_PER_VM_MAX_KIB
        state = json.loads(answer[answer.rindex(b'{"machine"') :])
        assert state["memory_total"] < 8 << 20
        assert {item["name"]: item["isolation"] for item in state["components"]} == {
            "init": "user",
            "virtio_console": mode,
            "http_server": mode,
        }


def test_half_closed_connection_gets_its_whole_answer():
    with Gateway(machine_command()) as gateway, gateway.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        client.shutdown(1)
        answer = b""
        while part := client.recv(65536):
            answer += part
        assert answer.endswith(PAGE)


def test_connection_that_is_kept_keeps_its_machine():
    with Gateway(machine_command()) as gateway, gateway.connect() as client:
        machines = set()
        for _ in range(20):
            client.sendall(b"GET /api/status HTTP/1.1\r\nHost: t\r\n\r\n")
            answer = b""
            while not answer.endswith(b"]}\n"):
                answer += client.recv(65536)
            machines.add(re.search(rb'"machine":"(\w+)"', answer)[1])
        assert len(machines) == 1
        assert gateway.metric("boots_total") == 1


def test_hostile_request_costs_its_sender_a_machine_and_nobody_else():
    with Gateway(machine_command()) as gateway:
        assert status_of(gateway.get(b"\x00\x01nonsense\r\n\r\n")) == 400
        assert status_of(gateway.get(b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n")) == 414
        assert Visit(gateway).state["machine"]


@pytest.mark.parametrize("stage", ["boot", "serving", "answer"])
def test_killed_machine(stage):
    # QEMU that is stopped has not booted.
    command = machine_command() + (["-S"] if stage == "boot" else [])
    with Gateway(command) as gateway, gateway.connect() as client:
        if stage == "answer":
            client.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        elif stage == "serving":
            wait_until(lambda: gateway.metric("boots_total") == 1, 30, "the boot")
        else:
            wait_until(gateway.children, what="the machine")
        (pid,) = gateway.children()
        os.kill(int(pid), signal.SIGKILL)
        if stage == "answer":
            with pytest.raises(ConnectionResetError):
                while client.recv(65536):
                    pass
        else:
            assert status_of(client.recv(65536)) == 502
        client.close()
        assert gateway.visit()["outcome"] == "failed"
        wait_until(lambda: not gateway.children())


def test_machine_that_hangs_at_boot():
    with Gateway([*machine_command(), "-S"], "--boot-timeout-ms", "400") as gateway:
        assert status_of(gateway.get()) == 502
        assert gateway.metric('failed_total{reason="boot_timeout"}') == 1


def test_image_that_is_none():
    command = machine_command()
    command[command.index("-kernel") + 1] = "/dev/null"
    with Gateway(command) as gateway:
        assert status_of(gateway.get()) == 502


def test_sx_serve_serves_until_it_is_told_to_stop():
    port = free_port()
    console = Console([ROOT / "sx", "serve", "--port", str(port), "--metrics-port", "0", "--yes"])
    console.wait_for(rf"serves at http://127.0.0.1:{port}/", 60)
    page = subprocess.run(["curl", "-s", "--retry", "20", "--retry-connrefused", f"http://127.0.0.1:{port}/"], capture_output=True, check=True)
    assert page.stdout == PAGE
    console.stop()
    assert console.process.returncode == 0
