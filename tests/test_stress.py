"""SMP stress: workers on 4 CPUs call each other in a graph while others are killed and restarted every 50 ms, and no reply is lost.

The long one: STRESS_SECONDS=600 pytest-3 tests/test_stress.py. What is counted and must add up stands in apps/stress_control/books.c.
"""

import os
import re

import pytest
from vm import Machine

SECONDS = int(os.environ.get("STRESS_SECONDS", "10"))
KILL_EVERY_MS = 50
MODES = {
    "user": ["*=user"],
    "kernel": ["*=kernel"],
    "mixed": ["*=user", *(f"stress_{worker}=kernel" for worker in range(0, 12, 2))],  # of eight that live, and of four that are killed
}
CALLS = re.compile(r"calls: (\d+) sent, (\d+) answered, (\d+) closed, (\d+) abandoned, 0 failed, 0 lost, 0 twice")
TO_END = 120  # seconds, at most, from the last call on and for the boot


@pytest.mark.parametrize("mode", MODES)
def test_every_reply_is_accounted_for(mode):
    isolation = [word for item in MODES[mode] for word in ("--isolate", item)]
    settings = ["init.allow_kill=1", "init.log_level=0", f"stress_control.seconds={SECONDS}", f"stress_control.kill_every_ms={KILL_EVERY_MS}"]
    arguments = [*isolation, *(word for item in settings for word in ("--set", item))]
    with Machine("--cpus", "4", *arguments, system="stress") as machine:
        machine.wait_for(r"stress_control: (every reply is accounted for|error: something was lost)", SECONDS + TO_END)
        report = machine.console.text()
    print(report)
    assert "every reply is accounted for" in report
    assert not re.search(r"error|fault|panic", report)
    sent, answered, closed, abandoned = map(int, CALLS.search(report).groups())
    assert sent == answered + closed + abandoned
    assert answered > 100 * SECONDS
    assert int(re.search(r"workers: (\d+) killed", report)[1]) >= SECONDS * 1000 / KILL_EVERY_MS / 8  # a busy host: many come late
