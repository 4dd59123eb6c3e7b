"""Pages that come when they are touched: of a file larger than memory, and of pagers that go wrong."""

import hashlib
import re
from array import array

import pytest
from vm import ROOT, Machine

PAGE = 4096
MODES = ("user", "kernel")


def made_up(pages):
    """What apps/paged_files makes up: the numbers 0, 1, 2, … of 64 bits."""
    digest = hashlib.sha256()
    for page in range(pages):
        digest.update(array("Q", range(page * PAGE // 8, (page + 1) * PAGE // 8)).tobytes())
    return digest.hexdigest()


def told(pages):
    return rf"reader: /made_up: {pages * PAGE} bytes, sha256 {made_up(pages)}"


def paging(mode, path, *arguments):
    isolate = ["--isolate", f"reader={mode}", "--isolate", f"paged_files={mode}"]
    return Machine(*isolate, "--set", f"reader.path={path}", *arguments, system="paging")


@pytest.mark.parametrize("mode", MODES)
def test_file_three_times_larger_than_memory_is_read_twice(mode):
    pages = 3 * 16 * 2**20 // PAGE
    with paging(mode, "/made_up", "--memory", "16", "--set", f"paged_files.pages={pages}") as machine:
        machine.wait_for(told(pages), 120, count=2)
        machine.wait_for("init: reader: ended")
        assert "panic" not in machine.console.text()


# 4 CPUs run at once: pages are reclaimed while others read them.
@pytest.mark.parametrize("mode", MODES)
def test_pages_are_reclaimed_while_others_read(mode):
    pages = 2 * 16 * 2**20 // PAGE
    arguments = ["--memory", "16", "--cpus", "4", "--set", f"paged_files.pages={pages}"]
    with paging(mode, "/made_up", *arguments) as machine:
        machine.wait_for(told(pages), 120, count=2)
        machine.wait_for(told(pages).replace("reader", "other"), 120)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_written_to_a_file_larger_than_memory_is_stored(mode):
    pages = 2 * 16 * 2**20 // PAGE
    isolate = ["--isolate", f"page_writer={mode}", "--isolate", f"paged_files={mode}"]
    arguments = ["--memory", "16", "--set", f"paged_files.pages={pages}"]
    with Machine(*isolate, *arguments, system="paging_writes") as machine:
        machine.wait_for(f"page_writer: {pages} pages ok", 120)


FAILURES = {
    # path: (how a fault is told of, what folio_prefetch returns)
    "/short": ("a page that its pager could not supply", "ERR_IO"),
    "/silent": ("a page that its pager did not supply in time", "ERR_TIMED_OUT"),
    "/liar": ("a page that its pager could not supply", "ERR_IO"),
    "/deadly": ("a page whose pager is gone", "ERR_CLOSED"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("path", FAILURES)
def test_pager_that_goes_wrong_is_an_error_of_its_clients_alone(path, mode):
    fault, error = FAILURES[path]
    with paging(mode, path) as machine:
        machine.wait_for(rf"reader: fault: {fault}, at 0x[0-9a-f]+; the component ends")
        machine.wait_for("init: warning: reader: touched a page that its pager did not supply")
        if path != "/deadly":
            machine.wait_for(told(64).replace("reader", "other"))  # of the same pager
        assert "was believed" not in machine.console.text() and "panic" not in machine.console.text()
    with paging(mode, path, "--set", "reader.ask=1") as machine:
        machine.wait_for(rf"reader: error: {path}: {error}")
        assert "reader: fault" not in machine.console.text()


def test_file_of_the_archive_is_mapped():
    page = (ROOT / "site" / "index.html").read_bytes()
    with Machine(system="files") as machine:
        machine.wait_for(rf"file_hash: /site/index.html: {len(page)} bytes, sha256 {hashlib.sha256(page).hexdigest()}")


def test_file_that_is_not_there_is_told():
    with Machine("--set", "file_hash.path=/nothing", system="files") as machine:
        machine.wait_for("file_hash: error: /nothing: ERR_NOT_FOUND")


def test_smallest_pager_has_at_most_60_lines():
    source = (ROOT / "servers/archive_files/archive_files.c").read_text()
    assert len(source.splitlines()) <= 60
    assert re.search(r"\bpager_supply\(", source)
