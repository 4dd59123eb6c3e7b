"""sx symbolize: names the function and line after every code address in a console log.

The kernel prints code addresses as `pc kernel+0xffffffff80101234` or `pc NAME+0x1234`, the latter relative to the
start of the component's ELF. The first of a run of such lines is where execution was, the others are return addresses.
"""

import json
import os
import re
import subprocess
import sys

from paths import output, shown
from ui import Fail

ADDRESS = re.compile(r"\bpc ([a-z][a-z0-9_]*)\+0x([0-9a-f]{1,16})\b")
SYMBOLIZER = "llvm-symbolizer-19"


def place_of(symbol):
    file = symbol.get("FileName")
    return symbol["FunctionName"] + (f" {os.path.normpath(file)}:{symbol['Line']}" if file else "")


class Symbolizer:
    """One llvm-symbolizer process, started when the first address comes."""

    def __init__(self, elf_files):
        self.elf_files = elf_files  # process name to ELF file with debug information
        self.process = None
        self.in_backtrace = False

    def line(self, text):
        """The line with what its address means appended: the function, and after `<` those that it was inlined into."""
        match = ADDRESS.search(text)
        if not match:
            self.in_backtrace = False
            return text
        address = int(match[2], 16) - (1 if self.in_backtrace else 0)
        self.in_backtrace = True
        meaning = self.meaning(match[1], max(address, 0))
        return f"{text} {meaning}" if meaning else text

    def meaning(self, name, address):
        elf = self.elf_files.get(name)
        if elf is None or not elf.is_file():
            return ""
        symbols = self.ask(f'"{elf}" {address:#x}').get("Symbol", [])
        return " < ".join(place_of(symbol) for symbol in symbols if symbol.get("FunctionName"))

    def ask(self, question):
        if self.process is None:
            command = [SYMBOLIZER, "--output-style=JSON"]
            pipe = subprocess.PIPE
            # A session of its own: Ctrl-C is for sx, which still has lines to print then.
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or "{}")

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


def elf_files(system, debug):
    """Process names, as the console shows them, to ELF files."""
    out = output(debug)
    files = {item.name: out / "components" / f"{item.component.name}.elf" for item in system.instances}
    return files | {"init": out / "components" / "init.elf", "kernel": out / system.name / "starina.elf"}


def add_arguments(parser):
    parser.usage = "sx symbolize [--system NAME] [--debug] < LOG"
    parser.add_argument("--system", default="web", metavar="NAME", help="the system that ran (default: web)")
    parser.add_argument("--debug", action="store_true", help="it was a debug build")


def main(options):
    import system
    import tree

    files = elf_files(system.load(options.system, tree.load().components), options.debug)
    if not files["kernel"].is_file():
        raise Fail(f"{shown(files['kernel'])} is missing; run: sx build {options.system}")
    symbolizer = Symbolizer(files)
    for line in sys.stdin:
        print(symbolizer.line(line.rstrip("\n")))
    symbolizer.close()
