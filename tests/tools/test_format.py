"""C code is formatted as .clang-format says."""

import subprocess

from paths import COMPONENT_FOLDERS, ROOT


def test_c_code_is_formatted():
    folders = ("kernel", "lib", "include", "tools", "tests", *COMPONENT_FOLDERS)
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.[ch]")]
    assert len(files) > 100
    done = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *files], capture_output=True, text=True)
    assert done.returncode == 0, f"run: clang-format-19 -i FILE\n{done.stderr}"
