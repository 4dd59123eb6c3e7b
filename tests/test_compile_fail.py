"""Mistakes that must not compile: every tests/compile_fail/*.c fails, with the diagnostic that its first line names.

The opposite too: what the design's own example promises does compile.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CASES = sorted((ROOT / "tests/compile_fail").glob("*.c"))


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    for tool, inputs in (
        ("interfacegen.py", sorted((ROOT / "interfaces").glob("*.toml"))),
        ("syscallgen.py", [ROOT / "include/starina/syscalls.toml"]),
    ):
        subprocess.run([sys.executable, ROOT / "tools" / tool, "--out", folder, *inputs], check=True)
    return folder


def compile_file(source, generated, *more):
    folders = [f"-I{folder}" for folder in (ROOT / "include", ROOT / "lib", generated)]
    flags = ["-std=c23", "-O1", "-Wall", "-Wextra", "-Werror", "-c", "-o", "/dev/null"]
    return subprocess.run(["clang-19", *flags, *more, *folders, source], capture_output=True, text=True)


@pytest.mark.parametrize("source", CASES, ids=[case.stem for case in CASES])
def test_mistake_does_not_compile(source, generated):
    expected = source.read_text().splitlines()[0].removeprefix("// expect: ")
    result = compile_file(source, generated)
    assert result.returncode != 0
    assert expected in result.stderr


def test_example_of_the_design_compiles(generated):
    result = compile_file(ROOT / "apps/postbox/postbox.c", generated)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("interface", sorted(path.stem for path in (ROOT / "interfaces").glob("*.toml")))
def test_every_interface_compiles_on_its_own(interface, generated, tmp_path):
    source = tmp_path / "user.c"
    source.write_text(f"#include <{interface}.client.h>\n")
    result = compile_file(source, generated)
    assert result.returncode == 0, result.stderr
