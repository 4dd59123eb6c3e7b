"""A gateway under test, with VMs that do as they are told: tests/gateway/fake_vm.c says what they can be told."""

import json
import os
import re
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from vm import ROOT, free_port, receive_all

PROGRAM = ROOT / "build" / "gateway"
REQUEST = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"
BOOT_NS = 12_345_678
READY = f"ready={BOOT_NS}"
SERVE = (READY, "open", "request", "answer=0", "end", "hang")  # what a good VM does


def build_fake_vm(folder):
    made = folder / "fake_vm"
    flags = ["-std=c23", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-static"]
    subprocess.run(["clang-19", *flags, ROOT / "tests/gateway/fake_vm.c", "-o", made], check=True)
    return made


def wait_until(is_true, timeout=10, what="it"):
    deadline = time.monotonic() + timeout
    while not is_true():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout} s"
        time.sleep(0.01)


class Gateway:
    """`with Gateway(command, "--vms", "8") as gateway:` runs until the block's end."""

    def __init__(self, command, *options, log=None, **settings):
        self.port, self.metrics_port = free_port(), free_port()
        self.log = Path(tempfile.mkstemp(prefix="gateway-log-")[1])
        self.settings = settings
        self.command = [PROGRAM, "--listen", f"127.0.0.1:{self.port}", "--metrics", f"127.0.0.1:{self.metrics_port}"]
        self.command += ["--per-client", "2000", "--drain-timeout-ms", "500", "--log", log or self.log, *options, "--", *command]
        self.begins_with_log = log is None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **self.settings)
        try:
            wait_until(self.is_up, what="the gateway's start")
        except BaseException:
            self.process.kill()
            raise
        self.descriptors_at_rest = self.descriptors()
        return self

    def is_up(self):
        assert self.process.poll() is None, self.process.stderr.read()
        return bool(self.events("start")) if self.begins_with_log else self.is_listening()

    def is_listening(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.metrics_port)) == 0

    def __exit__(self, kind, *exception):
        was_up = self.process.poll() is None
        if was_up:
            self.process.terminate()
        try:
            code = self.process.wait(20)
        finally:
            self.process.kill()
            complaint = self.process.stderr.read().decode()
            self.process.stderr.close()
            text = self.log.read_text()
            self.log.unlink()
        if kind:
            print(text[-3000:])
        elif was_up:
            assert code == 0 and not complaint, (code, complaint)

    # --- As a visitor ---

    def connect(self, receive_buffer=None, timeout=20):
        client = socket.socket()
        client.settimeout(timeout)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect(("127.0.0.1", self.port))
        return client

    def get(self, request=REQUEST, timeout=20):
        with self.connect(timeout=timeout) as client:
            try:
                client.sendall(request)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return receive_all(client)

    # --- As its operator ---

    def metrics(self):
        with socket.create_connection(("127.0.0.1", self.metrics_port), 10) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n")
            text = receive_all(client).decode()
        return {name: float(value) for name, value in re.findall(r"^starina_(\S+) (\S+)$", text, re.MULTILINE)}

    def metric(self, name):
        return self.metrics()[name]

    def events(self, name):
        lines = self.log.read_text().splitlines(keepends=True)
        return [event for event in (json.loads(line) for line in lines if line.endswith("\n")) if event["event"] == name]

    def visit(self, number=1):
        """The log's line of a visit that is over."""
        wait_until(lambda: any(item["visit"] == number for item in self.events("visit")), what=f"the end of visit {number}")
        return next(item for item in self.events("visit") if item["visit"] == number)

    # --- What it has ---

    def children(self):
        pid = self.process.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_kib(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1])

    def is_quiet(self):
        return not self.children() and self.descriptors() <= self.descriptors_at_rest

    def wait_for_quiet(self, timeout=10):
        """Nothing of any visit is left: no VM, no socket."""
        wait_until(self.is_quiet, timeout, "the end of everything")


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


def is_reset(client):
    """Reads until the end; True if it was a reset."""
    try:
        while client.recv(65536):
            pass
        return False
    except ConnectionResetError:
        return True


def pattern(count):
    period = bytes(range(251))
    return (period * (count // 251 + 1))[:count]
