"""sx test: unit tests with sanitizers on this machine, then whole-system tests; one summary."""

import os
import subprocess
import xml.etree.ElementTree as ElementTree

import build
import setup
import unit
from paths import BUILD, ROOT, shown
from ui import Fail, say

PYTEST = "/usr/bin/pytest-3"


def add_arguments(parser):
    add = parser.add_argument
    add("-k", metavar="PATTERN", dest="pattern", help="only tests whose file or name contains this")
    add("--host", action="store_true", help="only the unit tests")
    add("--system-tests", action="store_true", help="only the tests in tests/")
    add("--list", action="store_true", help="list the test files and run nothing")
    add("--yes", action="store_true", help="install what is missing without asking")


def run_units(pattern):
    tests = [test for test in unit.find() if not pattern or pattern in shown(test)]
    if not tests:
        return 0, 0
    build.build(["tests"], quiet=True)
    results = unit.run_all(tests, BUILD)
    for result in results:
        if not result.passed:
            say(f"FAILED {result.name}\n{result.output}")
    failed = sum(not result.passed for result in results)
    say(f"Unit tests: {len(results) - failed} passed, {failed} failed.")
    return len(results) - failed, failed


def run_system_tests(pattern):
    build.build([], quiet=True)
    return run_pytest(pattern)


def part(run, pattern):
    """(passed, failed) of a part; one that can't even run has failed, and the next part still runs."""
    try:
        return run(pattern)
    except Fail as failure:
        say(f"sx: {failure}")
        return 0, 1


def run_pytest(pattern):
    report = BUILD / "tests" / "pytest.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = [PYTEST, "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "tests"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    status = subprocess.run(command + (["-k", pattern] if pattern else []), cwd=ROOT, env=environment).returncode
    if not report.is_file():
        raise Fail(f"pytest ended with {status} and wrote no report; see its output above")
    return count(report)


def count(report):
    """(passed, failed) of a JUnit report; a test that was skipped is neither."""
    suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    total, failures, errors, skipped = (int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped"))
    return total - failures - errors - skipped, failures + errors


def list_tests():
    for path in [*unit.find(), *sorted((ROOT / "tests").rglob("test_*.py"))]:
        say(shown(path))


def main(options):
    if options.list:
        list_tests()
        return 0
    both = options.host == options.system_tests
    setup.ensure("unit" if options.host and not both else "test", options.yes)
    counts = []
    if both or options.host:
        counts.append(part(run_units, options.pattern))
    if both or options.system_tests:
        counts.append(part(run_system_tests, options.pattern))
    passed, failed = (sum(column) for column in zip(*counts))
    say(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
