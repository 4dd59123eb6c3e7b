"""sx bench net: what an answer of the web server takes: instructions, copies, system calls, messages, interrupts."""

import json
import socket
import time
from dataclasses import dataclass

import network as networks
import reference
import table
from booting import booted, must_answer
from counter import Counter
from subjects import MODES, Starina
from ui import Fail, progress
from web import NETWORKS, kinds

SYSTEM = "bench_web"
TIMEOUT_SECONDS = 60
BODIES = {2048: ("2 KiB", 60, 200), 1 << 20: ("1 MiB", 30, 20)}  # size: title, requests counted alone, and for the events
SETTLE_SECONDS = 0.02
EVENTS = {
    "bytes_copied": "bytes copied",
    "message_bytes": "in messages",
    "system_calls": "system calls",
    "messages": "messages",
    "page_faults": "faults",
    "interrupts": "interrupts",
}
PAUSE_SECONDS = 0.2


@dataclass
class Figure:
    instructions: int  # of the request that took the fewest: the host's pace decides how much comes together
    events: dict  # per request


class Client:
    """One connection that is kept, and one request at a time."""

    def __init__(self, network):
        with network.inside():
            self.socket = socket.create_connection((network.host, network.port), TIMEOUT_SECONDS)
        self.file = self.socket.makefile("rb")

    def get(self, path):
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        lines = list(iter(self.file.readline, b"\r\n"))
        if not lines or not lines[0].startswith(b"HTTP/1.1 200 "):
            raise Fail(f"no good answer to {path}: {lines[:1]}")
        size = next(int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:"))
        body = self.file.read(size)
        if len(body) != size:
            raise Fail(f"{path} ended after {len(body)} bytes")
        return body

    def events(self):
        """The machine's counters, all components' together."""
        state = json.loads(self.get("/api/status"))
        components = state["components"]
        return {
            "bytes_copied": state["bytes_copied_by_network"] + state["bytes_copied_by_server"],
            "messages": sum(component["messages_sent"] for component in components),
            "interrupts": state["interrupts"],
            **{key: sum(component[key] for component in components) for key in ("message_bytes", "system_calls", "page_faults")},
        }

    def close(self):
        self.socket.close()


def difference(after, before):
    return {key: after[key] - before[key] for key in after}


def instructions_of(client, counter, path):
    """Of one request, until the guest is idle again."""
    start = counter.settled(SETTLE_SECONDS)
    client.get(path)
    return (counter.settled(SETTLE_SECONDS) - start).instructions


def events_of(client, path, requests):
    """Per request. What asking for the counters takes is taken off."""
    zero, before = client.events(), client.events()
    for _ in range(requests):
        client.get(path)
    asking, both = difference(before, zero), difference(client.events(), before)
    return {key: max(0, both[key] - asking[key]) / requests for key in EVENTS}


def figure_of(client, counter, size):
    _, alone, together = BODIES[size]
    path = f"/test/{size}"
    client.get(path)
    fewest = min(instructions_of(client, counter, path) for _ in range(alone))
    return Figure(fewest, events_of(client, path, together))


def measure(mode, kind, number):
    """{size: Figure}."""
    subject = Starina(mode, SYSTEM, "/test/2048")
    network = networks.user() if kind == "user" else networks.tap(number)
    progress(f"Counting: {subject.title}, {NETWORKS[kind]}")
    try:
        with Counter() as counter, booted(subject, extra=counter.arguments(), network=network) as machine:
            must_answer(subject, machine)
            time.sleep(PAUSE_SECONDS)
            client = Client(network)
            figures = {size: figure_of(client, counter, size) for size in BODIES}
            client.close()
            return figures
    finally:
        network.close()


def row(key, size, figure):
    mode, kind = key
    return [f"{BODIES[size][0]}, {mode} mode, {kind}", figure.instructions, *(figure.events[event] for event in EVENTS)]


def main(options, build):
    build([SYSTEM, "bench"])
    measured = {(mode, kind): measure(mode, kind, number) for number, kind in enumerate(kinds()) for mode in MODES}
    every = [(key, size, figure) for key, figures in measured.items() for size, figure in figures.items()]
    result = {
        "benchmark": "net",
        "host": table.host(),
        "answers": [
            {"mode": mode, "network": kind, "body": size, "instructions": figure.instructions, **figure.events}
            for (mode, kind), size, figure in every
        ],
    }
    heads = ["answer", "instructions", *EVENTS.values()]
    table.publish(result, options.json, [("Per request, one connection that is kept", heads, [row(*each) for each in every])])
    counts = {f"{mode} {kind} {size} {what}": value for (mode, kind), size, figure in every for what, value in counts_of(figure)}
    if options.set_reference:
        reference.save("net", counts)
    if options.check:
        reference.check("net", counts, lambda key: key.split()[1] in kinds())


def counts_of(figure):
    """What is compared: what the host's pace hardly changes."""
    return [("instructions", figure.instructions), ("bytes copied", figure.events["bytes_copied"])]
