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
    "touch_many": "the first write to a page of 32 MiB: large pages",
    "touch_many_sparse": "the same, of a sparse folio: single pages",
    "drop_many": "unmap and close 32 MiB, per page: large pages",
    "drop_many_sparse": "the same, of a sparse folio: single pages",
}
FAULTS = {
    "faults_many": "the first writes to 32 MiB: large pages",
    "faults_many_sparse": "the same, of a sparse folio: single pages",
}


def measure(mode):
    title, isolate = MODES[mode]
    counts = guest_counts.instructions_of(PROGRAM, guest_counts.console_of(SYSTEM, PROGRAM, title, isolate))
    guest_counts.check_names(title, counts, TITLES | FAULTS)
    return counts


def main(options, build):
    build([SYSTEM])
    measured = {mode: measure(mode) for mode in MODES}
    heads = ["operation", *(title for title, _ in MODES.values())]
    tables = [
        (caption, heads, [[text, *(counts[name] for counts in measured.values())] for name, text in titles.items()])
        for caption, titles in (("Instructions per operation", TITLES), ("Page faults per MiB", FAULTS))
    ]
    table.publish({"benchmark": "mem", "modes": measured}, options.json, tables)
    counts = {f"{mode} {name}": count for mode, figures in measured.items() for name, count in figures.items()}
    if options.set_reference:
        reference.save("mem", counts)
    if options.check:
        reference.check("mem", counts)
