"""The parts of sx bench: the link's records, answers, wrk's report, the initramfs, whose a block of code is."""

import socket
import sys
import threading
import time

import bench  # noqa: F401  (it makes the others known)
import blocks
import booting
import http_answer
import ipc
import kernel_lock
import link
import load
import peers
import pytest
import reference
import subjects
import table
from counter import Block
from initramfs import Initramfs
from ui import Fail

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    "answer, body",
    [
        (PAGE, b"hello"),
        (PAGE[:-1], None),
        (PAGE.replace(b"200", b"404"), None),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", None),
        (b"", None),
    ],
)
def test_only_a_whole_good_answer_has_a_body(answer, body):
    assert http_answer.body_of(answer) == body


def serve(listener, answers):
    for answer in answers:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)


def test_it_asks_again_until_an_answer_is_good():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, [b"", b"HTTP/1.1 503 No\r\n\r\n", PAGE]))
        thread.start()
        assert http_answer.first_answer(listener.getsockname(), "/", time.monotonic() + 10) == b"hello"
        thread.join()


def test_it_gives_up():
    began = time.monotonic()
    assert http_answer.first_answer(("127.0.0.1", 1), "/", began + 0.1) is None
    assert http_answer.first_answer(("127.0.0.1", 1), "/", began + 60, lambda: True) is None
    assert time.monotonic() - began < 5


# --- The link ---


def test_records_are_split_where_they_end():
    stream = link.record(link.READY, b"12345678") + link.record(link.END) + link.record(link.DATA, b"abc")
    assert link.split(stream[:3]) == ([], stream[:3])
    assert link.split(stream[:-1])[1] == stream[-7:-1]
    assert link.split(stream) == ([(link.READY, b"12345678"), (link.END, b""), (link.DATA, b"abc")], b"")


FAKE = f"""
import socket, struct, sys
end = socket.socket(fileno=int(sys.argv[1].rpartition("fd=")[2]))
received = b""
while b"\\r\\n\\r\\n" not in received:
    received += end.recv(4096)
word = struct.unpack("<I", received[:4])[0]
good = word == 1 << 24 | 6 and struct.unpack("<H", received[8:10])[0] == 40000 and received[13] == 2
page = {PAGE!r} if good else b"HTTP/1.1 500 X\\r\\n\\r\\n"
end.sendall(struct.pack("<IQ", 4 << 24 | 8, 1000))
for part in (page[:20], page[20:]):
    end.sendall(struct.pack("<I", 2 << 24 | len(part)) + part)
end.sendall(struct.pack("<I", ENDING << 24))
end.recv(1)
"""


class Fake(subjects.Subject):
    """A program in place of a virtual machine, at the other end of the link."""

    link = True

    def __init__(self, text):
        super().__init__("fake", "a fake", [], "/")
        self.text = text

    def command(self, network, memory):
        return [sys.executable, "-c", self.text, "socket,id=link,fd=3"]


def test_page_comes_over_the_link():
    with booting.booted(Fake(FAKE.replace("ENDING", "3")), timeout=20) as machine:
        booting.must_answer(Fake(""), machine)
        assert 0 < machine.answer_ms < 20_000


@pytest.mark.parametrize("text", ["", FAKE.replace("ENDING", "5").replace("2 <<", "3 <<")])
def test_a_link_without_an_answer_is_a_failure(text):
    with booting.booted(Fake(text), timeout=20) as machine:
        with pytest.raises(Fail, match="a fake gave no good answer to /"):
            booting.must_answer(Fake(""), machine)


# --- Reports ---

WRK = """  Thread Stats   Avg      Stdev     Max   +/- Stdev
  Latency Distribution
     50%  777.00us
     75%    1.50ms
     90%    2.00ms
     99%    1.01s \n  1250 requests in 1.00s, 2.60MB read
{}Requests/sec:   1249.50
Transfer/sec:      2.00MB
"""


def test_wrk_report_is_read():
    report = load.parse(WRK.format("  Socket errors: connect 0, read 1, write 0, timeout 2\n"))
    assert report == load.Report(1250, 1249.5, 2 * 1.048576, 0.777, 1010, 3)
    assert load.parse(WRK.format("")).errors == 0


@pytest.mark.parametrize("text", ["unable to connect", WRK.format("  Non-2xx or 3xx responses: 7\n")])
def test_bad_answers_fail_the_benchmark(text):
    with pytest.raises(Fail, match="wrk got no good answers"):
        load.parse(text)


def test_table_aligns_numbers():
    rows = [["a", 1234567, 0.5], ["longer", None, 123.4]]
    assert list(table.lines(["what", "n", "x"], rows)) == [
        "what            n     x",
        "a       1,234,567  0.50",
        "longer          -   123",
    ]


# --- Peers ---


def entries(archive):
    """path to (mode, content, device) of a cpio archive."""
    found, at = {}, 0
    while True:
        values = [int(archive[at + 6 + 8 * index : at + 14 + 8 * index], 16) for index in range(13)]
        begin = at + 110
        name = archive[begin : begin + values[11] - 1].decode()
        content = -(-(begin + values[11]) // 4) * 4
        at = -(-(content + values[6]) // 4) * 4
        if name == "TRAILER!!!":
            return found
        found[name] = values[1], archive[content : content + values[6]], (values[9], values[10])


def test_initramfs_holds_files_links_and_devices():
    made = Initramfs()
    made.file("etc/motd", b"hello")
    made.link("bin/sh", "busybox")
    made.device("dev/console", 5, 1)
    found = entries(made.bytes())
    assert list(found) == ["etc", "etc/motd", "bin", "bin/sh", "dev", "dev/console"]
    assert found["etc/motd"][:2] == (0o100644, b"hello") and found["bin/sh"][:2] == (0o120777, b"busybox")
    assert found["dev/console"] == (0o020600, b"", (5, 1))


def test_recipes_of_the_peers_are_whole():
    found = peers.recipes()
    assert {"linux_source", "linux_cloud", "nginx_source", "nginx", "busybox"} <= set(found)
    assert all(item.file == f"tools/bench/peers/{name}.toml" and not item.files for name, item in found.items())


# --- Whose code it is ---


def block(address, code):
    return Block(address, 1, 4, 1, code)


def test_code_tells_whose_a_block_is_although_addresses_overlap():
    first = blocks.Code("first", [(0x1000, b"\x90" * 64 + b"only in first" + b"\xc3")])
    second = blocks.Code("second", [(0x2000, b"\x90" * 64 + b"only in second" + b"\xc3")])
    kernel = blocks.Code("kernel", [(0xFFFFFFFF80100000, b"kernel code")])
    base = 0x70000
    seen = [block(base + 0x1040, b"only in first"), block(base + 0x2040, b"only in second")]
    blocks.find_bases([first, second], seen)
    assert (first.bases, second.bases) == ({base}, {base})
    assert blocks.owner(kernel, [first, second], seen[1]) == ("second", 0x2040)
    assert blocks.owner(kernel, [first, second], block(base + 0x104D, b"\xc3")) == ("first", 0x104D)
    assert blocks.owner(kernel, [first, second], block(0xFFFFFFFF80100000, b"kernel")) == ("kernel", 0xFFFFFFFF80100000)
    assert blocks.owner(kernel, [first, second], block(0xFFFF0, b"\xea"))[0] == blocks.ELSEWHERE


def test_figures_of_messages_are_read_from_the_console():
    console = "[ 0.1] ipc_bench: result null 3799\r\n[ 0.2] ipc_bench: events null calls 1000 spaces 0 faults 20\r\n"
    figures = ipc.parse(console + "[ 0.3] ipc_bench: result send_4_words 12698\r\n")
    assert figures["null"] == ipc.Figure(37.99, {"calls": 1, "spaces": 0, "faults": 0.02})
    assert figures["send_4_words"] == ipc.Figure(126.98, {})


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "path_of", lambda name: tmp_path / "reference" / f"{name}.json")
    reference.save("ipc", {"user null": 100.0, "user call": 400.0})


def test_counts_within_the_reference_pass(stored):
    reference.check("ipc", {"user null": 103.0, "user call": 300.0})


@pytest.mark.parametrize(
    "counts, complaint",
    [
        ({"user null": 100.0, "user call": 412.1}, r"counts rose by over 3%: user call: 412.10, not 400.00; .*--set-reference"),
        ({"user null": 100.0}, r"do not measure the same \(user call\)"),
        ({"user null": 1.0, "user call": 1.0, "user new": 1.0}, r"do not measure the same \(user new\)"),
    ],
)
def test_a_rise_over_the_reference_is_told(stored, counts, complaint):
    with pytest.raises(Fail, match=complaint):
        reference.check("ipc", counts)


# --- The kernel lock ---

KERNEL = """
ffffffff80100140 <entry_syscall>:
ffffffff80100140:      \tswapgs
ffffffff80100143:      \tlock
ffffffff80100144:      \tdecl\t0x1d7de(%rip) # 0xffffffff8011d960 <kernel_lock_word>
ffffffff8010014c:      \tjb\t0xffffffff801001d9 <entry_syscall+0x99>
ffffffff80100150:      \tcallq\t*-0x7fee2b00(,%rax,8)
ffffffff80100157:      \tmovl\t$0x1, 0x1d7b5(%rip) # 0xffffffff8011d960 <kernel_lock_word>
ffffffff80100161:      \tswapgs
ffffffff80100164:      \tsysretq
ffffffff80100200 <kernel_lock>:
ffffffff80100200:      \tpause
ffffffff80100300 <leave_to_thread>:
ffffffff80100300:      \tpopq\t%rax
ffffffff80100400 <sys_clock_now>:
ffffffff80100400:      \tnop
ffffffff80100401:      \tretq
"""


def block_of(address, instructions, executions=1):
    return Block(address, executions, instructions, 0, b"")


@pytest.mark.parametrize(
    "block, parts",
    [
        (block_of(0xFFFFFFFF80100140, 3, 10), (10, 0, 20, 10)),  # a system call begins, and takes the lock before the jump
        (block_of(0xFFFFFFFF80100150, 1), (1, 0, 0, 0)),
        (block_of(0xFFFFFFFF80100157, 3), (1, 0, 2, 0)),  # it releases the lock and returns
        (block_of(0xFFFFFFFF80100200, 1, 7), (0, 7, 0, 0)),
        (block_of(0xFFFFFFFF80100300, 1), (0, 0, 1, 0)),
        (block_of(0xFFFFFFFF80100400, 2, 5), (10, 0, 0, 0)),
        (block_of(0x400000, 3), (0, 0, 3, 0)),  # a component in user mode, and one in kernel mode
        (block_of(0xFFFFFFFFA0000000, 3), (0, 0, 3, 0)),
    ],
)
def test_instructions_are_told_apart_by_the_kernel_lock(block, parts):
    share = kernel_lock.KernelCode(KERNEL).share([block])
    assert (share.held, share.waiting, share.outside, share.system_calls) == parts


def test_kernel_without_a_routine_that_is_looked_for_is_refused():
    names = kernel_lock.WAITING | kernel_lock.WITHOUT | kernel_lock.CALLS
    kernel_lock.check_names(names)
    with pytest.raises(Fail, match="the kernel has no leave_full; "):
        kernel_lock.check_names(names - {"leave_full"})


def test_kernel_that_takes_no_lock_is_refused():
    with pytest.raises(Fail, match="takes or releases"):
        kernel_lock.KernelCode(KERNEL.replace("decl", "incl"))


def test_lock_bounds_what_many_cpus_can_do():
    one = kernel_lock.rate(100, 300, 1)
    assert one == pytest.approx(1 / 400)
    assert kernel_lock.rate(1, 1_000_000, 8) == pytest.approx(8 / 1_000_001, rel=0.01)
    assert kernel_lock.rate(100, 300, 1000) == pytest.approx(1 / 100, rel=0.01)
    assert one < kernel_lock.rate(100, 300, 2) < kernel_lock.rate(100, 300, 4) < 1 / 100
