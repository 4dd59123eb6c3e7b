"""A virtual machine under test: started by sx, talked to over loopback, its console read in the background."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOT_TIMEOUT = 60  # seconds, on a machine that is busy with other things


PORTS = range(16384, 32768)  # below those that connections to elsewhere are given: one of these may come first
given_ports = set()


def free_port():
    """A port that nobody listens at, and that no other test of this run is given."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            if port not in given_ports and probe.connect_ex(("127.0.0.1", port)) != 0:
                given_ports.add(port)
                return port


def side_by_side(run, variants):
    """Runs something with each variant, three at a time: most of it is waiting. The first failure is told with its variant."""

    def told(variant):
        try:
            run(*variant)
        except BaseException as failure:
            failure.add_note(f"with {variant}")
            raise

    with ThreadPoolExecutor(3) as pool:
        for _ in pool.map(told, variants):
            pass


class Console:
    """A started command, its output read line by line."""

    def __init__(self, command, cwd=ROOT):
        self.lines = []
        self.news = threading.Condition()
        self.is_over = False
        self.process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.news:
                self.lines.append(line.rstrip())
                self.news.notify_all()
        with self.news:
            self.is_over = True
            self.news.notify_all()

    def text(self):
        with self.news:
            return "\n".join(self.lines)

    def wait_for(self, pattern, timeout=20, count=1):
        """Waits until `count` lines match; returns the last of them."""
        deadline = time.monotonic() + timeout
        with self.news:
            while True:
                matches = [line for line in self.lines if re.search(pattern, line)]
                if len(matches) >= count:
                    return matches[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or self.is_over:
                    state = "it ended" if self.is_over else f"not within {timeout} s"
                    raise AssertionError(f"console: no {pattern!r} ({state}):\n" + "\n".join(self.lines[-40:]))
                self.news.wait(left)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.kill(self.process.pid, signal.SIGKILL)
            raise
        self.reader.join(5)


class Machine:
    """`with Machine("--cpus", "4") as machine:` is a running system."""

    def __init__(self, *arguments, system="test"):
        self.port = free_port()
        self.command = [ROOT / "sx", "run", "--system", system, "--port", str(self.port), *arguments]

    def __enter__(self):
        self.console = Console(self.command)
        self.process = self.console.process
        try:
            self.wait_for(r"booted in", BOOT_TIMEOUT)
        except BaseException:
            self.console.stop()
            raise
        return self

    def __exit__(self, *exception):
        self.console.stop()

    def wait_for(self, pattern, timeout=20, count=1):
        return self.console.wait_for(pattern, timeout, count)

    # --- HTTP ---

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path="/", timeout=20, **headers):
        request = urllib.request.Request(self.url(path), headers=headers)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read()

    def status(self):
        return json.loads(self.get("/api/status"))

    def component(self, name):
        return next(item for item in self.status()["components"] if item["name"] == name)

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def exchange(self, request, timeout=20):
        """Sends bytes and returns all that comes until the server closes."""
        with self.connect(timeout) as connection:
            try:
                connection.sendall(request)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has answered early and closed
            return receive_all(connection)


def receive_all(connection):
    """All until the server ends its side; a reset is a failure, as it can destroy what was sent before."""
    received = b""
    while part := connection.recv(65536):
        received += part
    return received
