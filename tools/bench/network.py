"""How the host reaches a virtual machine under measurement: QEMU's own network, or a tap in a network namespace."""

import ctypes
import os
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ui import Fail

GUEST, HOST, MASK_BITS = "10.0.2.15", "10.0.2.2", 24  # the same as in QEMU's own network
MAC = "52:54:00:12:34:56"  # QEMU's default
TAP = "tap0"
NAMESPACES = Path("/run/netns")


@dataclass
class Network:
    """What a command line and a client need to know."""

    net: str  # as `sx run --net`
    host: str
    port: int
    prefix: list = field(default_factory=list)  # of commands that use it

    @contextmanager
    def inside(self):
        """Sockets that this thread makes meanwhile are where the machine is reached."""
        if not self.prefix:
            yield
            return
        with open("/proc/thread-self/ns/net") as own, open(NAMESPACES / self.prefix[-1]) as other:
            set_namespace(other)
            try:
                yield
            finally:
                set_namespace(own)

    def close(self):
        if self.prefix:
            ip("netns", "del", self.prefix[-1])


def set_namespace(file):
    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0) != 0:
        raise Fail(f"can't enter the network namespace {file.name}: {os.strerror(ctypes.get_errno())}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def user():
    return Network("user", "127.0.0.1", free_port())


def can_tap():
    return os.geteuid() == 0 and Path("/dev/net/tun").exists()


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Fail(f"ip {' '.join(words)}: {done.stderr.strip()}")


def tap(number):
    """A tap interface in a network namespace of its own, whose name is this process's."""
    name = f"sx-bench-{os.getpid()}-{number}"
    ip("netns", "add", name)
    try:
        for words in (
            ("link", "set", "lo", "up"),
            ("tuntap", "add", "dev", TAP, "mode", "tap", "vnet_hdr"),
            ("addr", "add", f"{HOST}/{MASK_BITS}", "dev", TAP),
            ("link", "set", TAP, "up"),
            ("neigh", "replace", GUEST, "lladdr", MAC, "nud", "permanent", "dev", TAP),
        ):
            ip("-n", name, *words)
    except Fail:
        ip("netns", "del", name)
        raise
    return Network(f"tap:{TAP}", GUEST, 80, ["ip", "netns", "exec", name])
