"""The gateway joins each visitor with a VM of its own, whole and both ways."""

import subprocess
import threading

import pytest
from gateways import BOOT_NS, READY, REQUEST, SERVE, Gateway, pattern, wait_until
from vm import receive_all


@pytest.fixture(scope="module")
def serving(fake_vm):
    with Gateway([fake_vm, *SERVE]) as gateway:
        yield gateway


def pid_of(answer):
    return int(answer.split(b"pid ")[1].split()[0])


# --- A visit ---


def test_each_visit_has_a_vm_of_its_own(serving):
    answers = [serving.get() for _ in range(20)]
    assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") for answer in answers)
    assert len({pid_of(answer) for answer in answers}) == 20


def test_vm_is_told_who_came(serving):
    with serving.connect() as client:
        port = client.getsockname()[1]
        client.sendall(REQUEST)
        assert f"client {port} ".encode() in receive_all(client)


def test_visits_leave_nothing(serving):
    for _ in range(50):
        assert b" 200 OK" in serving.get()
    serving.wait_for_quiet()


def test_log_tells_about_a_visit(fake_vm):
    with Gateway([fake_vm, *SERVE]) as gateway:
        answer = gateway.get()
        line = gateway.visit()
    assert line["outcome"] == "served" and line["client"].startswith("127.0.0.1:")
    assert line["bytes_in"] == len(REQUEST) and line["bytes_out"] == len(answer) and line["boot_us"] == BOOT_NS // 1000
    assert line["duration_ms"] < 5000 and line["time"].endswith("Z")


# --- The boot time's header ---

LINE = f"X-Starina-Boot-Us: {BOOT_NS // 1000}\r\n".encode()


@pytest.mark.parametrize("cut", range(0, 40))
def test_boot_time_is_the_first_header_wherever_records_are_cut(fake_vm, cut):
    with Gateway([fake_vm, READY, "open", "request", f"answer={cut}", "end", "hang"]) as gateway:
        assert gateway.get().startswith(b"HTTP/1.1 200 OK\r\n" + LINE + b"Content-Length: ")


@pytest.mark.parametrize(
    "text",
    ["x", "HTTP/2.0 200\r\n\r\n", "HTTP/1.", "HTTP/1.1 200 OK\n\n", "HTTP/1.1 " + "x" * 300 + "\r\n\r\n", "220 mail\r\n", ""],
)
@pytest.mark.parametrize("step", ["say", "each"])
def test_what_is_no_http_answer_stays_as_it_is(fake_vm, step, text):
    with Gateway([fake_vm, READY, "open", f"{step}={text}", "end", "hang"]) as gateway:
        assert gateway.get().decode() == text


def test_only_the_first_answer_gets_it(fake_vm):
    answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with Gateway([fake_vm, READY, "open", "request", f"say={answer}", f"say={answer}", "end", "hang"]) as gateway:
        assert gateway.get() == answer.replace("\r\n", "\r\n" + LINE.decode(), 1).encode() + answer.encode()


# --- Bytes ---


def test_client_that_sends_no_more_is_still_answered(fake_vm):
    with Gateway([fake_vm, READY, "open", "sum", "sleep=200", "say= and more", "end", "hang"]) as gateway:
        with gateway.connect() as client:
            client.sendall(pattern(1000))
            client.shutdown(1)
            assert receive_all(client) == b"1000 bytes, 0 wrong and more"


def test_server_that_sends_no_more_ends_the_visit(fake_vm):
    with Gateway([fake_vm, READY, "open", "say=that is all", "end", "hang"]) as gateway:
        with gateway.connect() as client:
            assert receive_all(client) == b"that is all"  # although this end is still open
            wait_until(lambda: not gateway.children(), 1, "the VM's end")


@pytest.mark.parametrize("size", [1, 65531, 65532, 65533, 10_000_000])
def test_large_bodies_arrive_whole_at_the_server(fake_vm, size):
    with Gateway([fake_vm, READY, "open", "sum", "end", "hang"]) as gateway:
        with gateway.connect() as client:
            client.sendall(pattern(size))
            client.shutdown(1)
            assert receive_all(client) == f"{size} bytes, 0 wrong".encode()


@pytest.mark.parametrize("size", [1, 65536, 10_000_000])
def test_large_bodies_arrive_whole_at_the_client(fake_vm, size):
    with Gateway([fake_vm, READY, "open", f"blast={size}", "end"]) as gateway:  # it ends before all is delivered
        with gateway.connect() as client:
            assert receive_all(client) == pattern(size)
        assert gateway.visit()["outcome"] == "served"


def test_both_ways_at_once(fake_vm):
    sent = pattern(10_000_000)
    with Gateway([fake_vm, READY, "open", "echo", "end", "hang"]) as gateway:
        with gateway.connect() as client:
            sender = threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(1)))
            sender.start()
            assert receive_all(client) == sent
            sender.join()


def test_reader_that_stalls_holds_back_its_vm_and_takes_no_memory(fake_vm):
    with Gateway([fake_vm, READY, "open", "blast=200000000", "end", "hang"]) as gateway:
        before = gateway.memory_kib()
        with gateway.connect(receive_buffer=4096) as client:
            client.recv(1)
            wait_until(lambda: is_stalled(gateway), what="the stall")
            assert gateway.metric('bytes_total{direction="out"}') < 20_000_000
            assert gateway.memory_kib() < before + 1024
            assert processor_ms(gateway) < 20  # it waits, it does not ask again and again


def is_stalled(gateway):
    before = gateway.metric('bytes_total{direction="out"}')
    threading.Event().wait(0.2)
    return gateway.metric('bytes_total{direction="out"}') == before


def processor_ms(gateway, seconds=0.5):
    """CPU time that it takes while nothing happens."""

    def used():
        return sum(int(item) for item in open(f"/proc/{gateway.process.pid}/stat").read().split()[13:15])

    before = used()
    threading.Event().wait(seconds)
    return (used() - before) * 10


def test_vm_that_ended_behind_a_stalled_reader_costs_nothing(fake_vm):
    with Gateway([fake_vm, READY, "open", "blast=3000000", "end"]) as gateway:
        with gateway.connect(receive_buffer=4096) as client:
            client.recv(1)
            wait_until(lambda: is_stalled(gateway), what="the stall")
            assert processor_ms(gateway) < 20
            assert len(receive_all(client)) == 2_999_999


def test_vm_that_does_not_read_holds_back_its_client(fake_vm):
    with Gateway([fake_vm, READY, "open", "hang"]) as gateway:
        with gateway.connect(timeout=1) as client:
            with pytest.raises(TimeoutError):
                client.sendall(pattern(50_000_000))
            assert gateway.metric('bytes_total{direction="in"}') < 1_000_000
            assert processor_ms(gateway) < 20


def test_what_a_vm_starts_ends_with_it_and_may_talk_without_end(fake_vm):
    with Gateway(["sh", "-c", f"{fake_vm} chatter & exec {fake_vm} {' '.join(SERVE)}"]) as gateway:
        assert b" 200 OK" in gateway.get()
        gateway.wait_for_quiet()
    wait_until(lambda: subprocess.run(["pgrep", "-f", f"{fake_vm} chatter"]).returncode == 1, what="the chatter's end")
