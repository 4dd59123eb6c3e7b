"""sx bench: measures Starina beside what people would use instead. A benchmark is a file in tools/bench/."""

import importlib
import signal
import sys

import build
import setup
from paths import ROOT
from run import bounded, on_sigterm
from ui import Fail

sys.path.append(str(ROOT / "tools/bench"))

BENCHMARKS = {
    "boot": "from executing QEMU to the first good answer, and what that takes",
    "web": "requests per second, latency, instructions per request",
    "net": "what an answer takes: instructions, copies, system calls, messages",
    "ipc": "system calls and messages between components, in instructions",
    "mem": "folios, mappings and page faults, in instructions",
    "scale": "what the big kernel lock costs with 1 to 8 CPUs, in instructions",
}
WITH_REFERENCE = ("ipc", "mem", "net", "scale")
LISTED = f"{', '.join(WITH_REFERENCE[:-1])} and {WITH_REFERENCE[-1]}"
PEERS = ("none", "lean", "all")
RUNS, RUNS_QUICK = 9, 2


def add_arguments(parser):
    add = parser.add_argument
    about = "; ".join(f"{name}: {text}" for name, text in BENCHMARKS.items())
    add("benchmark", choices=BENCHMARKS, metavar="BENCHMARK", help=about)
    add("--runs", type=bounded(1, 1000), metavar="N", help=f"how often each is measured, all in turn (default: {RUNS})")
    add("--quick", action="store_true", help=f"fewer and shorter measurements: {RUNS_QUICK} runs")
    add("--peers", choices=PEERS, default="all", help="Linux beside it: none, the lean one, or Debian's too (default: all)")
    add("--json", action="store_true", help="print JSON in place of tables")
    add("--profile", metavar="FILE", help="boot only: where the instructions go, and every block of code to FILE")
    add("--check", action="store_true", help=f"{LISTED}: fail if a count is over the stored reference by more than 3 %%")
    add("--set-reference", action="store_true", help=f"{LISTED}: store this run's counts as the reference")
    add("--yes", action="store_true", help="install what is missing without asking")


def build_quietly(targets, yes):
    """Standard output is for results."""
    build.build(targets, yes=yes, quiet=not sys.stderr.isatty(), output_to=sys.stderr)


def main(options):
    if options.profile and options.benchmark != "boot":
        raise Fail("--profile is of sx bench boot")
    if (options.check or options.set_reference) and options.benchmark not in WITH_REFERENCE:
        raise Fail(f"--check and --set-reference are of sx bench {LISTED}")
    if options.profile or options.benchmark in WITH_REFERENCE:
        options.peers = "none"
    options.runs = options.runs or (RUNS_QUICK if options.quick else RUNS)
    setup.ensure("bench" if options.peers == "none" else "peers", options.yes)
    signal.signal(signal.SIGTERM, on_sigterm)
    importlib.import_module(options.benchmark).main(options, lambda targets: build_quietly(targets, options.yes))
