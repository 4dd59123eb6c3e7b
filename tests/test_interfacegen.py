"""The interface compiler: broken files get one line that says what and where; the tree's own files fit together."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / "tools/interfacegen.py"
INTERFACES = sorted((ROOT / "interfaces").glob("*.toml"))


def generate(folder, *definitions):
    return subprocess.run([sys.executable, TOOL, "--out", folder, *definitions], capture_output=True, text=True)


def test_interfaces_of_the_tree_have_different_numbers(tmp_path):
    result = generate(tmp_path, *INTERFACES)
    assert result.returncode == 0, result.stderr


def test_output_does_not_depend_on_the_run(tmp_path):
    for folder in ("first", "second"):
        generate(tmp_path / folder, *INTERFACES)
    for made in (tmp_path / "first").iterdir():
        assert made.read_text() == (tmp_path / "second" / made.name).read_text()


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "doc is missing"),
        ('doc = "d"\n[put]\n', "[put]: doc is missing"),
        ('doc = "d"\n[put]\ndoc = "d"\nkind = "cast"\n', "[put]: kind is one of call, send, event"),
        ('doc = "d"\n[put]\ndoc = "d"\narg.a = 1\n', "[put]: unknown key 'arg'"),
        ('doc = "d"\n[put]\ndoc = "d"\nargs.a = { type = "u7" }\n', "[put] args.a: unknown type 'u7'"),
        ('doc = "d"\n[put]\ndoc = "d"\nargs.a = { type = "bytes" }\n', "[put] args.a: max goes with type bytes, and bytes with max"),
        ('doc = "d"\n[put]\ndoc = "d"\nargs.a = { type = "bytes", max = 1023 }\n', "[put] args: up to 1025 bytes: a message holds 1024"),
        ('doc = "d"\n[put]\ndoc = "d"\nkind = "send"\nreply.a = { type = "u8" }\n', "[put]: kind send has no reply"),
        ('doc = "d"\n[Put]\ndoc = "d"\n', "[Put]: not a name for a message"),
    ],
)
def test_broken_interface_is_one_line(tmp_path, text, complaint):
    broken = tmp_path / "broken.toml"
    broken.write_text(text)
    result = generate(tmp_path, broken)
    assert result.returncode == 1
    assert result.stderr.startswith(str(broken)) and result.stderr.endswith(complaint + "\n")
    assert result.stderr.count("\n") == 1


def test_reference_pages_are_current():
    sys.path.insert(0, str(ROOT / "tools"))
    import interface_docs
    from interface_model import load

    committed = {path.name: path.read_text() for path in (ROOT / "docs/interfaces").iterdir()}
    fix = "run: tools/interfacegen.py --docs docs/interfaces interfaces/*.toml"
    assert committed == interface_docs.pages([load(path) for path in INTERFACES]), fix
