"""The system-call definition, its generated headers and its committed reference pages agree."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DEFINITION = ROOT / "include/starina/syscalls.toml"
sys.path.insert(0, str(ROOT / "tools"))
import syscallgen  # noqa: E402


def test_reference_pages_are_current():
    docs = ROOT / "docs/syscalls"
    committed = {path.name: path.read_text() for path in docs.iterdir()}
    fix = f"run: tools/syscallgen.py --docs docs/syscalls {DEFINITION.relative_to(ROOT)}"
    assert committed == syscallgen.pages(syscallgen.load(DEFINITION)), fix


def test_component_header_compiles(tmp_path):
    subprocess.run([sys.executable, ROOT / "tools/syscallgen.py", "--out", tmp_path, DEFINITION], check=True)
    source = tmp_path / "user.c"
    source.write_text("#include <starina/syscalls.h>\nstatus_t send(channel_t c) { return channel_send(c); }\n")
    flags = ["-std=c23", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{tmp_path}", f"-I{ROOT}/include"]
    subprocess.run(["clang-19", *flags, source], check=True)


@pytest.mark.parametrize(
    "text, complaint",
    [
        ('[a]\ndoc = "x"\nvalues = 1\n', "[a]: unknown key 'values'"),
        ('[a]\ndoc = "x"\nargs = [{ name = "n", type = "u9", doc = "d" }]\n', "[a] n: unknown type 'u9'"),
    ],
)
def test_broken_definition_is_one_line(tmp_path, text, complaint):
    broken = tmp_path / "syscalls.toml"
    broken.write_text(text)
    result = subprocess.run(
        [sys.executable, ROOT / "tools/syscallgen.py", "--out", tmp_path, broken], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr.strip() == f"{broken}: {complaint}"
