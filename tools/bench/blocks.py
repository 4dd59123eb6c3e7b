"""Whose the executed blocks of code are: the profile of a boot, by component and function.

Components' address spaces overlap and their bases are the kernel's choice, so that an address alone does not tell. The
code's first bytes do: what matches one component alone gives away that component's base, and the bases settle the rest.
"""

import struct
from collections import Counter as Tally
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import table
from booting import booted, must_answer
from counter import Counter
from symbolize import Symbolizer, elf_files
from ui import say

PAGE = 4096
TELLING_BYTES = 12  # a block with fewer may occur anywhere
SHOWN = 20
EHDR_PROGRAMS = struct.Struct("<32xQ14xHH")  # e_phoff, e_phentsize, e_phnum
PHDR = struct.Struct("<IIQQQQQQ")
LOAD, EXECUTABLE = 1, 1
ELSEWHERE = "firmware"


@dataclass
class Code:
    """The executable part of an ELF file, and where it was seen in memory."""

    name: str
    segments: list  # (address, bytes)
    bases: set = field(default_factory=set)

    def has(self, offset, code):
        return any(content.startswith(code, offset - at) for at, content in self.segments if at <= offset < at + len(content))

    def pages(self):
        for at, content in self.segments:
            yield from range(at // PAGE * PAGE, at + len(content), PAGE)

    def bases_of(self, block):
        """The bases with which the block would be this code."""
        inside = block.address % PAGE
        return [block.address - inside - page for page in self.pages() if self.has(page + inside, block.code)]


def read_code(name, path):
    data = Path(path).read_bytes()
    offset, size, count = EHDR_PROGRAMS.unpack_from(data)
    segments = []
    for index in range(count):
        kind, flags, start, address, _, length, _, _ = PHDR.unpack_from(data, offset + index * size)
        if kind == LOAD and flags & EXECUTABLE:
            segments.append((address, data[start : start + length]))
    return Code(name, segments)


def find_bases(codes, blocks):
    """Gives each component the bases that most of its telling blocks agree on."""
    votes = defaultdict(Tally)
    for block in blocks:
        if len(block.code) >= TELLING_BYTES:
            found = [(code.name, base) for code in codes for base in code.bases_of(block)]
            if len(found) == 1:
                votes[found[0][0]][found[0][1]] += 1
    for code in codes:
        if votes[code.name]:
            code.bases = {votes[code.name].most_common(1)[0][0]}


def owner(kernel, codes, block):
    """(name, offset in its ELF file) of whose the block is."""
    if kernel.has(block.address, block.code):
        return "kernel", block.address
    for code in codes:
        for base in code.bases:
            if code.has(block.address - base, block.code):
                return code.name, block.address - base
    return ELSEWHERE if block.address >> 63 == 0 else "?", block.address


def function(symbolizer, name, offset):
    """The function that the compiler did not inline."""
    elf = symbolizer.elf_files.get(name)
    symbols = symbolizer.ask(f'"{elf}" {offset:#x}').get("Symbol", []) if elf else []
    return symbols[-1].get("FunctionName") or f"{offset:#x}" if symbols else f"{offset:#x}"


def attribute(subject, blocks):
    """[(block, component, function)] of every block that was executed."""
    files = elf_files(subject.system, debug=False)
    kernel = read_code("kernel", files["kernel"])
    codes = [read_code(name, path) for name, path in files.items() if name != "kernel"]
    unknown = [block for block in blocks if not kernel.has(block.address, block.code)]
    find_bases(codes, unknown)
    symbolizer = Symbolizer(files)
    try:
        return [(block, name, function(symbolizer, name, at)) for block in blocks for name, at in [owner(kernel, codes, block)]]
    finally:
        symbolizer.close()


def boot_blocks(subject):
    with Counter(profile="on") as counter, booted(subject, extra=counter.arguments()) as machine:
        must_answer(subject, machine)
        return [block for block in counter.blocks() if block.executions]


def sums(attributed, key):
    """[(what, instructions, translations)], the most instructions first."""
    totals = defaultdict(lambda: [0, 0])
    for block, name, function_name in attributed:
        total = totals[key(name, function_name)]
        total[0] += block.executed
        total[1] += block.translations
    return sorted(((what, *total) for what, total in totals.items()), key=lambda item: -item[1])


def dump(stream, subject, attributed):
    for block, name, function_name in sorted(attributed, key=lambda item: -item[0].executed):
        numbers = f"{block.address:#x} {block.instructions} {block.executions} {block.translations}"
        stream.write(f"{subject.name} {numbers} {name} {function_name}\n")


def show(title, rows):
    say(f"\n{title}\n")
    for line in table.lines(["what", "instructions", "blocks"], rows):
        say(line)


def profile(found, path):
    """Boots each system once, prints its greatest functions, and writes every block: system, address, instructions,
    executions, translations, component, function."""
    with open(path, "w") as stream:
        for subject in found:
            attributed = attribute(subject, boot_blocks(subject))
            dump(stream, subject, attributed)
            functions = sums(attributed, lambda name, function_name: f"{name} {function_name}")
            show(f"{subject.title}: components", sums(attributed, lambda name, function_name: name))
            show(f"{subject.title}: functions by instructions", functions[:SHOWN])
            show(f"{subject.title}: functions by translated blocks", sorted(functions, key=lambda item: -item[2])[:SHOWN])
