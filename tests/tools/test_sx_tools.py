"""The smaller parts of sx: set-up, counting, Debian's sources, the command itself."""

import re
import subprocess
from pathlib import Path

import debian
import manifest
import pytest
import setup
import tcb
import test as sx_test
import unit
from ui import Fail

ROOT = Path(__file__).resolve().parent.parent.parent
SX = ROOT / "sx"


def sx(*arguments, **settings):
    return subprocess.run([SX, *arguments], capture_output=True, text=True, **settings)


@pytest.mark.parametrize("command", ["run", "build", "test", "bench", "clean", "doctor", "tcb", "symbolize"])
def test_every_command_has_help(command):
    result = sx(command, "--help")
    assert result.returncode == 0 and result.stdout.startswith(f"usage: sx {command}")


@pytest.mark.parametrize("arguments", [["fly"], ["run", "--port", "x"], ["build", "nothing_of_that_name"]])
def test_errors_are_one_line(arguments):
    result = sx(*arguments)
    assert result.returncode == 1
    assert result.stderr.startswith("sx: ") and result.stderr.count("\n") == 1


def test_it_works_from_any_folder_and_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(SX)
    assert subprocess.run([tmp_path / "link", "tcb"], cwd=tmp_path, capture_output=True).returncode == 0


def test_missing_packages_are_named_with_the_command(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setitem(setup.GROUPS, "build", [setup.Need("fortran-77", "compiles nothing", "/nowhere")])
    monkeypatch.setattr("sys.stdin", open("/dev/null"))
    with pytest.raises(Fail, match="apt-get install --no-install-recommends fortran-77"):
        setup.ensure("build")


def test_failed_installation_is_one_line(monkeypatch):
    monkeypatch.setitem(setup.GROUPS, "build", [setup.Need("fortran-77", "compiles nothing", "/nowhere")])
    monkeypatch.setattr(setup, "run_apt", lambda command: (["E: Unable to fetch"], 100))
    with pytest.raises(Fail, match=r"installing failed \(E: Unable to fetch\); check the network, then run: .*apt-get"):
        setup.ensure("build", yes=True)


@pytest.mark.parametrize(
    "text, lines",
    [
        ("int a; // b\n\n// c\nint d;\n", 2),
        ("/* a\n b */\nint c; /* d */\n", 1),
        ('char *s = "// no /* comment";\n', 1),
        ("char c = '\"'; // \"\nint d;\n", 2),
    ],
)
def test_code_lines(text, lines):
    assert tcb.code_lines(text) == lines


def test_components_in_kernel_isolation_are_trusted():
    output = sx("tcb", "--system", "hello").stdout
    assert re.search(r"\d+  trusted in 'hello': kernel, apps/echo, include/starina, .*lib/starina, servers/init\n", output)


def test_readme_and_tcb_count_the_same():
    output = sx("tcb").stdout
    lines = int(re.search(r"(\d+)  lines of C and assembly in the kernel", output)[1])
    calls = int(re.search(r"(\d+)  system calls", output)[1])
    claimed = re.search(r"about ([0-9,]+) lines, (\d+) system calls", (ROOT / "README.md").read_text())
    assert int(claimed[1].replace(",", "")) == pytest.approx(lines, rel=0.05)
    assert int(claimed[2]) == calls


def test_init_gets_of_the_kernel_what_its_manifest_says():
    """The kernel starts init before anybody could read a manifest to it."""
    kernel = (ROOT / "kernel/main.c").read_text()
    component = manifest.load(ROOT / "servers/init/component.toml")
    megabytes = int(re.search(r"INIT_MEMORY_LIMIT = (\d+) << 20", kernel)[1])
    handles, kilobytes = map(int, re.search(r"INIT_HANDLE_LIMIT = (\d+), INIT_STACK_SIZE = (\d+) \* 1024", kernel).groups())
    assert (component.memory, component.handles, component.stack) == (megabytes << 20, handles, kilobytes << 10)


def test_components_page_names_what_each_needs():
    rows = re.findall(r"^\| (`.*?) \|.*\| (.*) \|$", (ROOT / "docs/components.md").read_text(), re.MULTILINE)
    named = {name: set(re.findall(r"`(\w+)`", needs)) for names, needs in rows for name in re.findall(r"`(\w+)`", names)}
    listed = {path.parent.name: manifest.load(path) for path in ROOT.glob("*/*/component.toml")}
    for name in ("tcpip", "http_server", "chaos", "virtio_net"):
        assert named[name] == set(listed[name].needs), name


def test_a_part_that_cannot_run_counts_as_a_failure(capsys):
    def run(pattern):
        raise Fail("no bricks")

    assert sx_test.part(run, None) == (0, 1)
    assert capsys.readouterr().out == "sx: no bricks\n"


DEB822 = """# comment
Types: deb
URIs: http://other.example/x
Suites: nodistro
Components: main

Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /keys/debian.gpg
"""


def test_mirror_is_found_in_deb822(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)
    source = debian.own_source(tmp_path)
    assert (source["uris"], source["signed-by"]) == ("http://mirror.example/debian", "/keys/debian.gpg")


def test_mirror_is_found_in_one_line_form(tmp_path):
    text = "# deb http://old.example/ bookworm main\ndeb [signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib\n"
    (tmp_path / "sources.list").write_text(text)
    source = debian.own_source(tmp_path)
    assert (source["uris"], source["signed-by"]) == ("http://mirror.example/debian", "/k.gpg")


def test_machine_without_debian_is_told(tmp_path):
    with pytest.raises(Fail, match="no Debian 12 or 13 mirror"):
        debian.own_source(tmp_path)


def script(folder, text):
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_unit_test_results_are_counted(tmp_path):
    results = unit.run_one(script(tmp_path, "echo 'ok: it adds'; echo 'FAILED: it subtracts'; exit 1"), "lib/a_test.c")
    assert [(item.name, item.passed) for item in results] == [
        ("lib/a_test.c: it adds", True),
        ("lib/a_test.c: it subtracts", False),
    ]


def test_a_crash_counts_as_a_failure(tmp_path):
    results = unit.run_one(script(tmp_path, "echo 'ok: it adds'; kill -SEGV $$"), "lib/a_test.c")
    assert [item.passed for item in results] == [True, False]


def test_what_threads_share_is_tested_under_a_sanitizer_of_its_own(tmp_path):
    test = tmp_path / "a_test.c"
    test.write_text("// test-threads\n// Tests of a.\n")
    assert unit.kinds(test) == ["tests", "thread_tests"]
    test.write_text("// Tests of a, with test-threads in no line of its own.\n")
    assert unit.kinds(test) == ["tests"]
    assert {test.name for test in unit.find() if len(unit.kinds(test)) == 2} >= {"ring_test.c", "queue_test.c", "frame_region_test.c"}


def test_pytest_report_is_counted(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="2" errors="1" skipped="3"/></testsuites>')
    assert sx_test.count(report) == (3, 3)


def documented(command):
    """The options that docs/sx.md gives for a command."""
    section = (ROOT / "docs/sx.md").read_text().split(f"\n## sx {command}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `-")]
    return {option for row in rows for option in re.findall(r"`(-[a-z-]+)", row.split(" | ")[0])}


@pytest.mark.parametrize("command", ["run", "build", "test", "bench", "clean", "doctor", "tcb", "symbolize"])
def test_reference_names_every_option(command):
    shown = set(re.findall(r"^  (-[a-z-]+)(?:, (-[a-z-]+))?", sx(command, "--help").stdout, re.MULTILINE))
    assert documented(command) == {option for pair in shown for option in pair if option} - {"-h", "--help"}
