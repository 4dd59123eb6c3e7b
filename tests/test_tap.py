"""A machine on a tap interface, in a network of its own that the test makes: needs root and /dev/net/tun."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_http import PATTERN, PERIOD
from test_load import SECONDS, check_with_wrk
from vm import BOOT_TIMEOUT, ROOT, Console

HOST, GUEST = "10.77.0.1", "10.77.0.2"
STATIC = ["--set", "tcpip.dhcp=0", "--set", f"tcpip.address={GUEST}/24", "--set", f"tcpip.gateway={HOST}"]


# Sends so many requests at once that the host's segments are large, too. Prints how many were answered.
PIPELINE = f"""
import socket
with socket.create_connection(("{GUEST}", 80), 20) as connection:
    connection.sendall(b"GET /test/3 HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n" * 400)
    connection.shutdown(socket.SHUT_WR)
    print(connection.makefile("rb").read().count(b"HTTP/1.1 200"), end="")
"""

# Sends 4 MiB in bodies of different sizes, each with a request behind it: a byte too many or too few, and what follows is no
# request. Prints the answers' lengths.
UPLOAD = f"""
import os, re, socket, threading
sizes = [60000 + 7 * number for number in range(70)]
def send(connection):
    for number, size in enumerate(sizes):
        head = b"PUT /x HTTP/1.1\\r\\nHost: t\\r\\nContent-Length: %d\\r\\n\\r\\n" % size
        connection.sendall(head + os.urandom(size) + b"GET /test/%d HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n" % (1000 + number))
    connection.shutdown(socket.SHUT_WR)
with socket.create_connection(("{GUEST}", 80), 20) as connection:
    threading.Thread(target=send, args=[connection]).start()
    answers = connection.makefile("rb").read()
print(answers.count(b"HTTP/1.1 405 "), *(int(size) for size in re.findall(rb"Content-Length: (\\d{{4}})", answers)), end="")
"""


@pytest.fixture
def network():
    """What has to stand before a command so that it runs in a network with nothing but tap0."""
    name = f"starina-test-{os.getpid()}"
    inside = ["ip", "netns", "exec", name]
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists() or subprocess.run(["ip", "netns", "add", name]).returncode != 0:
        pytest.skip("needs root, /dev/net/tun and network namespaces")
    try:
        for command in ("tuntap add dev tap0 mode tap", f"addr add {HOST}/24 dev tap0", "link set tap0 up"):
            subprocess.run([*inside, "ip", *command.split()], check=True)
        yield inside
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def boot(network, *arguments):
    return Console([*network, ROOT / "sx", "run", "--net", "tap:tap0", *arguments])


def fetch(network, path):
    return subprocess.run([*network, "curl", "-fsS", "--max-time", "20", f"http://{GUEST}{path}"], capture_output=True, check=True).stdout


def test_page_is_served_at_the_address_that_is_printed(network):
    console = boot(network, *STATIC)
    try:
        console.wait_for(rf"^Starina serves at http://{GUEST}/$", BOOT_TIMEOUT)
        assert fetch(network, "/") == (ROOT / "site/index.html").read_bytes()
        assert b'"checksum_errors":0' in fetch(network, "/api/status").replace(b" ", b"")
    finally:
        console.stop()


@pytest.mark.parametrize("mode", ["user", "kernel"])
def test_wrk_sees_no_error_over_64_connections(network, mode):
    console = boot(network, "--isolate", f"*={mode}", *STATIC)
    try:
        console.wait_for(rf"^Starina serves at http://{GUEST}/$", BOOT_TIMEOUT)
        check_with_wrk(f"http://{GUEST}/", SECONDS, connections=64, at_least=100, prefix=network)
    finally:
        console.stop()


def test_large_segments_pass_both_ways(network):
    console = boot(network, "--system", "bench_web", *STATIC)
    try:
        console.wait_for(rf"^Starina serves at http://{GUEST}/$", BOOT_TIMEOUT)
        for size in (1, 2048, 1 << 20, 1 << 20):
            assert fetch(network, f"/test/{size}") == (PATTERN * (size // PERIOD + 1))[:size]
        # Of 1460 bytes each it would be more than 1400.
        link = subprocess.run([*network, "ip", "-s", "-j", "link", "show", "tap0"], capture_output=True, check=True)
        assert json.loads(link.stdout)[0]["stats64"]["rx"]["packets"] < 700
        assert subprocess.run([*network, sys.executable, "-c", PIPELINE], capture_output=True, check=True, timeout=20).stdout == b"400"
        uploaded = subprocess.run([*network, sys.executable, "-c", UPLOAD], capture_output=True, check=True, timeout=60).stdout
        assert list(map(int, uploaded.split())) == [70, *range(1000, 1070)]
    finally:
        console.stop()


def test_machine_without_a_dhcp_server_is_told_how_to_get_an_address(network):
    console = boot(network)
    try:
        console.wait_for(r"no address yet.*--set tcpip\.dhcp=0 --set tcpip\.address=", BOOT_TIMEOUT)
    finally:
        console.stop()
