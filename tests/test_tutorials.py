"""The C code of the tutorials compiles, and quotes the tree where it quotes it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NEEDS = "#include <starina/component.h>\nstatic inline channel_t need_postbox(void) { return service_channel(\"postbox\"); }\n"


def blocks(page, language):
    return [text for kind, text in BLOCK.findall((ROOT / "docs" / page).read_text()) if kind == language]


@pytest.mark.parametrize("page", ["first-app.md", "first-server.md"])
def test_code_compiles(page, tmp_path):
    for tool, inputs in (("interfacegen.py", ["interfaces/postbox.toml"]), ("syscallgen.py", ["include/starina/syscalls.toml"])):
        subprocess.run([sys.executable, f"tools/{tool}", "--out", tmp_path, *inputs], cwd=ROOT, check=True)
    (tmp_path / "needs.h").write_text(NEEDS)
    flags = ["-std=c23", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-fsyntax-only", "-xc", "-"]
    folders = [f"-I{folder}" for folder in (ROOT / "include", ROOT / "lib", tmp_path)]
    code = blocks(page, "c")
    assert code
    for text in code:
        done = subprocess.run(["clang-19", *flags, *folders], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_quoted_interface_is_the_trees():
    quoted = blocks("first-server.md", "toml")[0].removeprefix("# interfaces/postbox.toml\n")
    assert quoted == (ROOT / "interfaces/postbox.toml").read_text()
