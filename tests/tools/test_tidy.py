"""clang-tidy finds no mistakes in C code, by the checks of .clang-tidy.

Without its static analyzer, which takes a hundred times as long: clang-tidy-19 -p . FILE runs that too.
"""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import build
from paths import ROOT

CHECKS = "--checks=-clang-analyzer-*"
FOUND = re.compile(r"^(\S+?):\d+:\d+: (?:warning|error): .*\[([\w.,-]+)\]$", re.MULTILINE)
# Looked at, and meant as they are.
MEANT = {
    ("apps/http_server/date.c", "bugprone-inc-dec-in-conditions"),  # text[i++] once per condition
    ("kernel/main.c", "bugprone-inc-dec-in-conditions"),  # the same
    ("drivers/virtio_net/virtio_net.c", "bugprone-misplaced-widening-cast"),  # a sum of two counters
    ("kernel/log.c", "bugprone-narrowing-conversions"),  # one of two characters
    ("tools/gateway/vm.c", "bugprone-narrowing-conversions"),  # the same
    ("tools/gateway/deadlines.c", "bugprone-multi-level-implicit-pointer-conversion"),  # of an allocation
    ("servers/tcpip/tcp_receive.c", "bugprone-assignment-in-if-condition"),  # in parentheses of its own
}


def own_files():
    """What the build compiles of this tree."""
    build.build(["kernel"], quiet=True)
    entries = json.loads((ROOT / "compile_commands.json").read_text())
    files = {entry["file"] for entry in entries if not os.path.isabs(entry["file"])}
    return sorted(file for file in files if file.endswith(".c") and not file.startswith("build/"))


def findings(files):
    done = subprocess.run(["clang-tidy-19", "--quiet", "-p", ROOT, CHECKS, *files], cwd=ROOT, capture_output=True, text=True)
    return {(match[0].removeprefix(f"{ROOT}/"), check) for match in FOUND.findall(done.stdout) for check in match[1].split(",")}


def test_no_mistakes_are_found():
    files = own_files()
    assert len(files) > 100
    half = len(files) // 2
    with ThreadPoolExecutor(2) as pool:
        found = set().union(*pool.map(findings, (files[:half], files[half:])))
    assert found - MEANT == set()
