"""Loads a web server with wrk and reads its report."""

import re
import subprocess
from dataclasses import dataclass

from ui import Fail

UNITS_MS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}
TIMEOUT_SECONDS = 60  # beyond the duration


@dataclass
class Report:
    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int  # connections that failed, or waited for over 2 s


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()
    return float(number) * UNITS_MS[unit]


def parse(text):
    """Fails where an answer was not good: then the rest means nothing."""
    count, rate = re.search(r"(\d+) requests in", text), re.search(r"Requests/sec:\s+([\d.]+)", text)
    bad = re.search(r"Non-2xx or 3xx responses: \d+", text)
    if not count or not rate or int(count[1]) == 0 or bad:
        raise Fail(f"wrk got no good answers: {bad[0] if bad else text.strip()[-200:]!r}")
    errors = sum(map(int, re.findall(r"\d+", "".join(re.findall(r"Socket errors: (.*)", text)))))
    latencies = dict(re.findall(r"^\s+(50|99)%\s+(\S+)\s*$", text, re.MULTILINE))
    return Report(int(count[1]), float(rate[1]), milliseconds(latencies["50"]), milliseconds(latencies["99"]), errors)


def load(network, path, connections, seconds):
    """Keep-alive connections ask for one page again and again."""
    command = [*network.prefix, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command.append(f"http://{network.host}:{network.port}{path}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Fail(f"wrk did not end {TIMEOUT_SECONDS} s after it should have") from None
    return parse(done.stdout + done.stderr)
