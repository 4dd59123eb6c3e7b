"""sx tcb: counts the lines of code of each part, to see what has to be trusted and how it grows."""

import re

from paths import COMPONENT_FOLDERS, ROOT, shown
from strict import read_toml
from ui import say

SUFFIXES = (".c", ".h", ".S", ".ld")
# Strings first, so that a comment's marks inside one are not taken for a comment.
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)


def add_arguments(parser):
    parser.add_argument("--files", action="store_true", help="also each file")


def code_lines(text):
    """Lines that hold more than blanks and comments."""

    def without_comment(match):
        token = match[0]
        return "\n" * token.count("\n") if token.startswith("/") else token

    return sum(bool(line.strip()) for line in TOKEN.sub(without_comment, text).splitlines())


def count(folder, recursive=True):
    """Lines per file of a folder, tests aside."""
    paths = folder.rglob("*") if recursive else folder.glob("*")
    own = sorted(path for path in paths if path.suffix in SUFFIXES and not path.stem.endswith("_test"))
    return {shown(path): code_lines(path.read_text()) for path in own}


def parts():
    """(title, files) of each part, the kernel's first."""
    yield "kernel, portable", count(ROOT / "kernel", recursive=False)
    for folder in sorted(path for path in (ROOT / "kernel").iterdir() if path.is_dir()):
        for inner in [folder] if folder.name != "arch" else sorted(folder.iterdir()):
            yield shown(inner), count(inner)
    yield "include/starina", count(ROOT / "include")
    for top in ("lib", *COMPONENT_FOLDERS):
        for folder in sorted(path for path in (ROOT / top).glob("*") if path.is_dir()):
            yield shown(folder), count(folder)


def main(options):
    kernel = 0
    for title, files in parts():
        lines = sum(files.values())
        kernel += lines if title.startswith("kernel") else 0
        say(f"{lines:7}  {title}")
        for name, own in files.items() if options.files else ():
            say(f"{own:15}  {name}")
    say(f"{kernel:7}  lines of C and assembly in the kernel")
    say(f"{len(read_toml(ROOT / 'include/starina/syscalls.toml')):7}  system calls")
