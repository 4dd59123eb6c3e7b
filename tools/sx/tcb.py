"""sx tcb: counts the lines of code of each part, to see what has to be trusted and how it grows."""

import re

import system
import tree
from paths import COMPONENT_FOLDERS, ROOT, shown
from strict import read_toml
from ui import names, say

SUFFIXES = (".c", ".h", ".S", ".ld")
# Strings first, so that a comment's marks inside one are not taken for a comment.
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)


def add_arguments(parser):
    parser.add_argument("--files", action="store_true", help="also each file")
    parser.add_argument("--system", metavar="NAME", help="also the total that everything in this system has to trust")


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


def trusted_parts(name):
    """Titles of what a system trusts besides the kernel: init, components in kernel isolation, and their libraries."""
    components = tree.load().components
    loaded = system.load(name, components)
    trusted = [components["init"], *(item.component for item in loaded.instances if item.isolation == "kernel")]
    libraries = {f"lib/{library}" for component in trusted for library in ["starina", *component.libraries]}
    return {shown(component.folder) for component in trusted} | libraries | {"include/starina"}


def main(options):
    lines = {}
    for title, files in parts():
        lines[title] = sum(files.values())
        say(f"{lines[title]:7}  {title}")
        for name, own in files.items() if options.files else ():
            say(f"{own:15}  {name}")
    kernel = sum(own for title, own in lines.items() if title.startswith("kernel"))
    say(f"{kernel:7}  lines of C and assembly in the kernel")
    if options.system:
        others = trusted_parts(options.system) & set(lines)
        say(f"{kernel + sum(lines[title] for title in others):7}  trusted in '{options.system}': kernel, {names(others)}")
    say(f"{len(read_toml(ROOT / 'include/starina/syscalls.toml')):7}  system calls")
