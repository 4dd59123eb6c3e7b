"""Loads a web server with wrk and reads its report."""

import re
import subprocess
from dataclasses import dataclass

from ui import Fail

UNITS_MS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}
UNITS_BYTES = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
TIMEOUT_SECONDS = 60  # beyond the duration


@dataclass
class Report:
    requests: int
    per_second: float
    mb_per_second: float  # 10^6 bytes, heads included
    p50_ms: float
    p99_ms: float
    errors: int  # connections that failed, or waited for over 2 s


def scaled(text, units):
    number, unit = re.fullmatch(r"([\d.]+)([A-Za-z]+)", text).groups()
    return float(number) * units[unit]


def parse(text):
    """Fails where an answer was not good: then the rest means nothing."""
    bad = re.search(r"Non-2xx or 3xx responses: \d+|unable to connect.*", text)
    lines = dict(re.findall(r"^\s*(50%|99%|Requests/sec:|Transfer/sec:)\s+(\S+)\s*$", text, re.MULTILINE))
    if bad or len(lines) != 4:
        raise Fail(f"wrk got no good answers: {bad[0] if bad else text.strip()[-200:]!r}")
    count = re.search(r"(\d+) requests in", text)
    errors = sum(map(int, re.findall(r"\d+", "".join(re.findall(r"Socket errors: (.*)", text)))))
    p50, p99 = (scaled(lines[key], UNITS_MS) for key in ("50%", "99%"))
    return Report(int(count[1]), float(lines["Requests/sec:"]), scaled(lines["Transfer/sec:"], UNITS_BYTES) / 1e6, p50, p99, errors)


def load(network, path, connections, seconds):
    """Keep-alive connections ask for one page again and again."""
    command = [*network.prefix, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command.append(f"http://{network.host}:{network.port}{path}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Fail(f"wrk did not end {TIMEOUT_SECONDS} s after it should have") from None
    return parse(done.stdout + done.stderr)
