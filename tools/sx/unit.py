"""Unit tests on the machine that builds: every *_test.c becomes one program, with sanitizers.

A test file includes what it tests, or names further sources to link in its first lines:
    // test-with: kernel/handle.c kernel/object.c
One that says `// test-threads` there becomes a second program, with the thread sanitizer in place of the others. What it misses is taken from lib/*, lib/test with its main among them. The program prints `ok: SENTENCE` or
`FAILED: SENTENCE` for each TEST, and before that what went wrong.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import flags
from paths import COMPONENT_FOLDERS, ROOT, shown
from ui import Fail

FOLDERS = ("lib", "kernel", "tools", *COMPONENT_FOLDERS)
WITH = re.compile(r"^// test-with:(.*)$", re.MULTILINE)
THREADS = re.compile(r"^// test-threads$", re.MULTILINE)
HEAD = 2000  # characters of a test file in which these are looked for
TIMEOUT_SECONDS = 120


@dataclass
class Result:
    name: str
    passed: bool
    output: str


def find():
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*_test.c"))


def kinds(test):
    """Which of flags.SANITIZERS it is built with."""
    return ["tests", "thread_tests"] if THREADS.search(test.read_text()[:HEAD]) else ["tests"]


def program(out, kind, test):
    """Where a test's program is built."""
    return out / kind / shown(test.with_suffix(""))


def companions(test):
    """The sources that the test names."""
    listed = [ROOT / item for line in WITH.findall(test.read_text()[:HEAD]) for item in line.split()]
    absent = [item for item in listed if not item.is_file()]
    if absent:
        raise Fail(f"{shown(test)}: test-with: no such file '{shown(absent[0])}'")
    return listed


def title(kind, test):
    return shown(test) if kind == "tests" else f"{shown(test)} ({flags.SANITIZERS[kind]} sanitizer)"


def run_one(executable, title):
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "TSAN_OPTIONS": "halt_on_error=1"}
    try:
        done = subprocess.run(
            [executable], cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace",
            timeout=TIMEOUT_SECONDS,
        )  # fmt: skip
        output, code = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired:
        output, code = f"took over {TIMEOUT_SECONDS} s", -1
    results = []
    for line in output.splitlines():
        for prefix, passed in (("ok: ", True), ("FAILED: ", False)):
            if line.startswith(prefix):
                results.append(Result(f"{title}: {line.removeprefix(prefix)}", passed, "" if passed else output))
    if not results or (code != 0 and all(item.passed for item in results)):
        results.append(Result(f"{title}: runs to its end", False, output))
    return results


def run_all(tests, out):
    programs = [(program(out, kind, test), title(kind, test)) for test in tests for kind in kinds(test)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [result for group in pool.map(lambda item: run_one(*item), programs) for result in group]
