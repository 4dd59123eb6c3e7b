"""What every benchmark prints: one table for people, or the same as JSON."""

import json
import os
import platform
import statistics
import subprocess

from qemu import PROGRAM
from ui import progress_end, say

ABSENT = "-"


def spread(values):
    """Median, least and most of repeated measurements; None of none."""
    if not values:
        return None
    found = {"median": statistics.median(values), "min": min(values), "max": max(values), "count": len(values)}
    return {key: round(value, 3) for key, value in found.items()}


def shown(value):
    """A cell: numbers with as many digits as they deserve."""
    if value is None:
        return ABSENT
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def lines(headings, rows):
    """Columns as wide as their widest cell; the first is text, the others are numbers."""
    cells = [list(headings), *([shown(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        first = row[0].ljust(widths[0])
        yield "  ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip()


def emulator():
    return subprocess.run([PROGRAM, "--version"], capture_output=True, text=True).stdout.split("\n")[0]


def host():
    return {"cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 2), "kernel": platform.release(), "qemu": emulator()}


def publish(result, as_json, tables):
    """Prints a benchmark's result: `tables` are (title, headings, rows)."""
    progress_end()
    if as_json:
        say(json.dumps(result, indent=2))
        return
    for title, headings, rows in tables:
        say(f"\n{title}\n")
        for line in lines(headings, rows):
            say(line)
