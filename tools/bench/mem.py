"""sx bench mem: what folios, mappings and page faults take, in instructions."""

import guest_counts
import reference
import table

SYSTEM, PROGRAM = "bench_mem", "mem_bench"
MODES = {"user": ("user mode", ["*=user"]), "kernel": ("kernel mode", ["*=kernel"])}
TITLES = {
    "create": "make a folio of a page, and close it",
    "map": "map it, and unmap it",
    "touch_again": "write to a page that is there",
    "touch": "the first write to a page",
    "touch_sparse": "the same, of a sparse folio",
    "clone": "clone a page",
    "write_clone": "the first write to a page that is shared with a clone",
    "touch_file": "the first read of a page that another component supplies",
}


def measure(mode):
    title, isolate = MODES[mode]
    counts = guest_counts.instructions_of(PROGRAM, guest_counts.console_of(SYSTEM, PROGRAM, title, isolate))
    guest_counts.check_names(title, counts, TITLES)
    return counts


def main(options, build):
    build([SYSTEM])
    measured = {mode: measure(mode) for mode in MODES}
    rows = [[TITLES[name], *(counts[name] for counts in measured.values())] for name in TITLES]
    heads = ["operation", *(title for title, _ in MODES.values())]
    table.publish({"benchmark": "mem", "modes": measured}, options.json, [("Instructions per operation", heads, rows)])
    counts = {f"{mode} {name}": count for mode, figures in measured.items() for name, count in figures.items()}
    if options.set_reference:
        reference.save("mem", counts)
    if options.check:
        reference.check("mem", counts)
