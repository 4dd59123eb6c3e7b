"""The web server under load, in each of the two pure modes. WRK_SECONDS=10 makes the load test as long as the published one."""

import hashlib
import os
import re
import socket
import subprocess

import pytest
from test_http import PATTERN, PERIOD
from vm import Machine

SECONDS = int(os.environ.get("WRK_SECONDS", "3"))
CONNECTIONS = int(os.environ.get("CONNECTIONS", "10000"))


@pytest.fixture(scope="module", params=["user", "kernel"])
def pure_machine(request):
    with Machine("--isolate", f"*={request.param}") as running:
        yield running


def test_wrk_sees_no_error(pure_machine):
    command = ["wrk", "-t1", "-c64", f"-d{SECONDS}s", pure_machine.url("/")]
    report = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 60, check=True).stdout
    print(report)
    assert int(re.search(r"(\d+) requests in", report)[1]) > 100
    assert "Socket errors" not in report
    assert "Non-2xx" not in report


@pytest.mark.parametrize("size", [1 << 20, 64 << 20])
def test_body_is_intact(pure_machine, size):
    expected = hashlib.sha256()
    for _ in range(size // PERIOD):
        expected.update(PATTERN)
    expected.update(PATTERN[: size % PERIOD])
    received = hashlib.sha256(pure_machine.get(f"/test/{size}", timeout=120))
    assert received.hexdigest() == expected.hexdigest()


def visit(port):
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        while connection.recv(4096):
            pass


def memory_of(state):
    return {item["name"]: item["memory"] for item in state["components"]} | {"kernel": state["memory_kernel"]}


def test_connections_leave_no_memory_behind(pure_machine):
    for _ in range(200):
        visit(pure_machine.port)
    before = memory_of(pure_machine.status())
    for _ in range(CONNECTIONS):
        visit(pure_machine.port)
    after = memory_of(pure_machine.status())
    # One page of the kernel's slabs per size may come and go.
    assert all(after[name] <= before[name] + 4096 for name in before), (before, after)
