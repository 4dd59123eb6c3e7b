"""What the documentation shows is true: its commands run, its C compiles, its files build, its links lead somewhere.

A page's `sh` blocks run in order in a copy of the tree that has the page's own files: its TOML and C blocks that begin with a
path. `sx run` and `sx serve` go on until the next one or the page's end. A `text` block after a command is what that prints,
any numbers in place of its own.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from vm import ROOT, Console, free_port

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:#|//) ([\w/]+\.(?:toml|c|h))\n")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
PORT = "8080"  # in the pages
COMMAND_TIMEOUT = 300  # seconds; the first one builds
OUTPUT_TIMEOUT = 30


def blocks(name):
    return BLOCK.findall((ROOT / name).read_text())


def pages_with(*languages):
    return [name for name in NAMES if any(language in languages for language, _ in blocks(name))]


def files_of(name):
    """(path, content) of the blocks that are files."""
    found = []
    for language, text in blocks(name):
        path = FILE.match(text)
        if language in ("toml", "c") and path:
            found.append((path[1], text[path.end() :]))
    return found


# --- Commands ---


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    copy = tmp_path_factory.mktemp("docs") / "starina"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
    return copy


class Shell:
    """Runs a page's commands, one machine at a time."""

    def __init__(self, folder):
        self.folder, self.port, self.machine, self.output = folder, str(free_port()), None, ""

    def run(self, command):
        if command == "./sx test":
            assert f"exec {command}\n" in (ROOT / ".ci/run").read_text()  # this is it
        elif command.startswith(("./sx run", "./sx serve")) and "--dry-run" not in command:
            self.stop()
            is_run = command.startswith("./sx run")
            more = "" if is_run else " --metrics-port 0"
            self.machine = Console(["sh", "-c", f"exec {command} --port {self.port}{more}"], self.folder)
            self.machine.wait_for(r"booted in" if is_run else r"serves at", COMMAND_TIMEOUT)
        else:
            command = command.replace(f":{PORT}/", f":{self.port}/")
            done = subprocess.run(["sh", "-ec", command], cwd=self.folder, capture_output=True, text=True, timeout=COMMAND_TIMEOUT)
            self.output = done.stdout + done.stderr
            assert done.returncode == 0, f"{command}\n{self.output}"

    def expect(self, line):
        pattern = NUMBER.sub(r"(?:0x[0-9a-f]+|\\d+)", re.escape(line))
        if self.machine:
            self.machine.wait_for(pattern, OUTPUT_TIMEOUT)
        else:
            assert re.search(pattern, self.output), f"no line {line!r} in:\n{self.output}"

    def stop(self):
        if self.machine:
            self.machine.stop()
            self.machine = None


@pytest.mark.parametrize("name", pages_with("sh"))
def test_commands_do_what_the_page_says(name, tree):
    for path, content in files_of(name):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(content)
    shell = Shell(tree)
    has_run = False
    try:
        for language, text in blocks(name):
            for line in text.splitlines():
                if language == "sh":
                    has_run = True
                    shell.run(re.sub(r"\s+#.*", "", line))
                elif language == "text" and has_run:
                    shell.expect(line)
    finally:
        shell.stop()


# --- References ---


def test_page_of_the_kernels_objects_names_every_object_call_and_right():
    page = (ROOT / "docs/kernel-objects.md").read_text()
    types = re.findall(r"OBJECT_(\w+),", (ROOT / "kernel/object.h").read_text())
    assert len(types) > 5
    assert set(types) <= {title.upper() for title in re.findall(r"^## (\w+)$", page, re.MULTILINE)}
    assert set(re.findall(r"syscalls/(\w+)\.md", page)) - {"README"} == set(tomllib.loads((ROOT / "include/starina/syscalls.toml").read_text()))
    rights = set(re.findall(r"(RIGHT_\w+) = 1", (ROOT / "include/starina/types.h").read_text()))
    assert rights == set(re.findall(r"^\| `(RIGHT_\w+)`", page, re.MULTILINE))


# --- Code ---


@pytest.fixture(scope="session")
def headers(tmp_path_factory):
    """Everything that is generated."""
    folder = tmp_path_factory.mktemp("headers")
    interfaces = sorted(str(path) for path in (ROOT / "interfaces").glob("*.toml"))
    for tool, inputs in (("interfacegen.py", interfaces), ("syscallgen.py", ["include/starina/syscalls.toml"])):
        subprocess.run([sys.executable, f"tools/{tool}", "--out", folder, *inputs], cwd=ROOT, check=True)
    needs = [f'static inline channel_t need_{Path(path).stem}(void) {{ return service_channel("{Path(path).stem}"); }}\n' for path in interfaces]
    (folder / "needs.h").write_text("#include <starina/component.h>\n" + "".join(needs))
    return folder


@pytest.mark.parametrize("name", pages_with("c"))
def test_code_compiles(name, headers):
    flags = ["-std=c23", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-undefined-internal", "-fsyntax-only", "-xc", "-"]
    folders = [f"-I{folder}" for folder in (ROOT / "include", ROOT / "lib", headers)]
    for language, text in blocks(name):
        if language == "c":
            source = ("#include <starina/component.h>\n" if "#include" not in text else "") + text
            done = subprocess.run(["clang-19", *flags, *folders], input=source, capture_output=True, text=True)
            assert done.returncode == 0, f"{done.stderr}\n{text}"


@pytest.mark.parametrize("name", pages_with("c", "toml"))
def test_files_that_the_tree_has_are_quoted_as_they_are(name):
    for path, content in files_of(name):
        if (ROOT / path).exists():
            assert content == (ROOT / path).read_text()


def test_functions_of_the_reference_exist(headers):
    folders = [headers, *(ROOT / folder for folder in ("include", "lib/starina", "lib/driver"))]
    known = set(re.findall(r"\w+", "".join(path.read_text() for folder in folders for path in folder.rglob("*.h"))))
    known |= {"start"}
    listed = {word for language, text in blocks("docs/framework.md") if language == "text" for word in re.findall(r"\b([a-z_]+)\(", text)}
    assert len(listed) > 30
    assert {word for word in listed if not word.startswith("foo_")} <= known


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_files(name):
    for link in LINK.findall((ROOT / name).read_text()):
        assert ":" in link or ((ROOT / name).parent / link).exists(), link
