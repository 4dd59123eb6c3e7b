"""sx bench web: the web servers under load: requests per second, latency, and what a request takes."""

from contextlib import ExitStack

import boot
import load
import network as networks
import subjects
import table
from booting import booted, must_answer
from counter import Counter
from ui import Fail, progress

CONNECTIONS = (1, 16, 64)
COUNTED_CONNECTIONS = 16
SLICE_SECONDS, COUNTED_SECONDS, WARM_SECONDS = 1, 3, 1
NETWORKS = {"user": "QEMU's user networking", "tap": "tap, in a network namespace"}


class Served:
    """One system that is up, on one kind of network, and what was measured of it there."""

    def __init__(self, subject, kind, number):
        self.subject, self.kind, self.number = subject, kind, number
        self.loads = {connections: [] for connections in CONNECTIONS}
        self.large = []

    def start(self, stack):
        """Up until the stack ends."""
        self.network = networks.user() if self.kind == "user" else networks.tap(self.number)
        stack.callback(self.network.close)
        self.machine = stack.enter_context(booted(self.subject, network=self.network))
        must_answer(self.subject, self.machine)
        self.load(self.subject.small, 4, WARM_SECONDS)

    def load(self, path, connections, seconds):
        try:
            return load.load(self.network, path, connections, seconds)
        except Fail as failure:
            raise Fail(f"{self.subject.title}, {self.kind} network, {connections} connections: {failure}") from None

    def result(self):
        return {
            "network": self.kind,
            **{f"connections_{connections}": of_reports(reports) for connections, reports in self.loads.items()},
            "large_mb_per_second": table.spread([report.mb_per_second for report in self.large]),
        }


def of_reports(reports):
    keys = ("per_second", "p50_ms", "p99_ms")
    spreads = {key: table.spread([getattr(report, key) for report in reports]) for key in keys}
    return spreads | {"socket_errors": sum(report.errors for report in reports)}


def measure_network(kind, found, runs):
    """All systems are up at once and loaded in turn, in short slices: the host's speed drifts."""
    served = [Served(subject, kind, number) for number, subject in enumerate(found)]
    with ExitStack() as stack:
        for item in served:
            progress(f"Starting {item.subject.title}")
            item.start(stack)
        for number in range(runs):
            progress(f"Round {number + 1} of {runs}, {NETWORKS[kind]}")
            for connections in CONNECTIONS:
                for item in served:
                    item.loads[connections].append(item.load(item.subject.small, connections, SLICE_SECONDS))
            for item in served:
                if item.subject.large:
                    item.large.append(item.load(item.subject.large, 1, SLICE_SECONDS))
    return served


def count(subject):
    """(all, of them at a kernel's addresses) instructions per request, under the counting plugin."""
    network = networks.user()
    with Counter() as counter, booted(subject, extra=counter.arguments(), network=network) as machine:
        must_answer(subject, machine)
        load.load(network, subject.small, COUNTED_CONNECTIONS, WARM_SECONDS)
        before = counter.settled()
        report = load.load(network, subject.small, COUNTED_CONNECTIONS, COUNTED_SECONDS)
        counts = counter.settled() - before
    if report.requests == 0:
        raise Fail(f"{subject.title}: no request was answered within {COUNTED_SECONDS} s under the counting plugin")
    return round(counts.instructions / report.requests), round(counts.high / report.requests)


def kinds():
    """Without root, QEMU's own network is the only one."""
    return ["user", *(["tap"] if networks.can_tap() else [])]


def headings():
    columns = [f"{what}, {connections}" for connections in CONNECTIONS for what in ("req/s", "p50 ms", "p99 ms")]
    return ["system", *columns, "socket errors", "1 MiB, MB/s"]


def table_row(item):
    result = item.result()
    loads = [result[f"connections_{connections}"] for connections in CONNECTIONS]
    cells = [float(reports[key]["median"]) for reports in loads for key in ("per_second", "p50_ms", "p99_ms")]
    large = result["large_mb_per_second"]
    return [item.subject.title, *cells, sum(reports["socket_errors"] for reports in loads), large and large["median"]]


def counted_table(counted):
    rows = [[subject.title, total, high, total - high] for subject, (total, high) in counted]
    title = f"Instructions per request of 2 KiB, {COUNTED_CONNECTIONS} keep-alive connections"
    return title, ["system", "all", "at kernel addresses", "others"], rows


def system_result(subject, counts, served):
    return {
        "name": subject.name,
        "title": subject.title,
        "instructions_per_request": counts[0],
        "instructions_per_request_kernel": counts[1],
        "networks": [item.result() for item in served if item.subject is subject],
    }


def main(options, build):
    found = subjects.for_web(options.peers)
    build(boot.targets(found))
    served = {kind: measure_network(kind, found, options.runs) for kind in kinds()}
    counted = []
    for subject in found:
        progress(f"Counting instructions: {subject.title}")
        counted.append((subject, count(subject)))
    everything = [item for group in served.values() for item in group]
    results = [system_result(subject, counts, everything) for subject, counts in counted]
    summary = {"benchmark": "web", "runs": options.runs, "host": table.host(), "systems": results}
    tables = [(NETWORKS[kind], headings(), [table_row(item) for item in group]) for kind, group in served.items()]
    table.publish(summary, options.json, [*tables, counted_table(counted)])
