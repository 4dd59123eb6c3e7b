"""Large pages where memory is in one piece and where it is not, and that all of it comes back from who ended."""

import re

import pytest
from vm import Machine

PAGES, PARTS = 512, 8  # of a large page
OWN_PAGES = 3 * PAGES  # of the program, of which the first is there when it is loaded
LIVES = 8
REPORT = r"large_pages: (\d+) KiB free, faults: (\d+), in pieces (\d+), of the program (\d+)"


@pytest.mark.parametrize("cpus", ["1", "4"])
@pytest.mark.parametrize("mode", ["user", "kernel"])
def test_large_pages_come_where_they_fit_and_go_with_their_component(mode, cpus):
    arguments = ["--isolate", f"large_pages={mode}", "--cpus", cpus, "--memory", "32"]
    with Machine(*arguments, system="large_pages") as machine:
        machine.wait_for(REPORT, 60, count=LIVES)
        reports = [[int(number) for number in report] for report in re.findall(REPORT, machine.console.text())][:LIVES]
        free, faults, in_pieces, own = zip(*reports, strict=True)
        assert set(faults) == {PARTS} and set(in_pieces) == {PAGES}, reports
        assert set(own) <= {OWN_PAGES - 1, OWN_PAGES}, reports
        assert max(free[1:]) - min(free[1:]) <= 16, reports
        assert "panic" not in machine.console.text()
