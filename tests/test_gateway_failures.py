"""What goes wrong with a VM, a client or the time is answered properly, told in the log, counted, and leaves nothing."""

import os
import resource
import signal
import threading
import time

import pytest
from gateways import READY, REQUEST, SERVE, Gateway, is_reset, reset, status_of, wait_until
from vm import receive_all

BEGUN = "say=HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun"


def failed(gateway, reason):
    return gateway.metric(f'failed_total{{reason="{reason}"}}')


# --- Before a byte of the answer went out: 502 ---

BEFORE = {
    "ends before it is ready": (["print=no disk found", "exit=3"], "vm_ended"),
    "is killed before it is ready": (["print=no disk found", "kill"], "vm_ended"),
    "ends once ready": ([READY, "print=no disk found", "exit=0"], "vm_ended"),
    "is killed once ready": ([READY, "open", "print=no disk found", "kill"], "vm_ended"),
    "is killed once asked": ([READY, "open", "request", "print=no disk found", "kill"], "vm_ended"),
    "hangs at boot": (["print=no disk found", "hang"], "boot_timeout"),
    "speaks HTTP without records": (["print=no disk found", "hex=48545450", "hang"], "records"),
    "sends an unknown record": ([READY, "open", "print=no disk found", "hex=00000009", "hang"], "records"),
    "sends data before it is ready": (["print=no disk found", "say=x", "hang"], "records"),
    "says ready twice": ([READY, "open", "print=no disk found", READY, "hang"], "records"),
    "says ready too shortly": (["print=no disk found", "hex=0400000400000000", "hang"], "records"),
    "sends an end with a payload": ([READY, "open", "print=no disk found", "hex=0100000300", "hang"], "records"),
    "sends a gateway's record": ([READY, "open", "print=no disk found", "hex=06000001000000000000", "hang"], "records"),
    "ends within an answer's first line": ([READY, "open", "print=no disk found", "say=HTTP/1.1 20", "exit=0"], "vm_ended"),
}


@pytest.mark.parametrize("name", BEFORE)
def test_vm_that(fake_vm, name):
    steps, reason = BEFORE[name]
    with Gateway([fake_vm, *steps], "--boot-timeout-ms", "300") as gateway:
        answer = gateway.get()
        assert status_of(answer) == 502 and b"Connection: close\r\n" in answer and answer.endswith(b"Please try again.\n")
        line = gateway.visit()
        assert (line["outcome"], line["reason"], line["console"]) == ("failed", reason, "no disk found")
        assert failed(gateway, reason) == 1
        gateway.wait_for_quiet()


def test_command_that_is_missing(tmp_path):
    with Gateway([tmp_path / "no-qemu"]) as gateway:
        assert status_of(gateway.get()) == 502
        assert gateway.visit()["console"] == f"can't run '{tmp_path}/no-qemu': No such file or directory"
        wait_until(lambda: gateway.events("vm_exited"), what="the log line")
        assert gateway.events("vm_exited")[0]["code"] == 127


def test_process_that_cannot_be_made(fake_vm):
    with Gateway([fake_vm, *SERVE], "--vms", "1") as gateway:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (gateway.descriptors_at_rest + 2, 4096))
        assert status_of(gateway.get()) == 502
        assert gateway.visit()["reason"] == "start" and gateway.visit()["console"] == "Too many open files"
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        gateway.wait_for_quiet()
        assert status_of(gateway.get()) == 200


def test_memory_that_a_vm_may_not_have(fake_vm):
    with Gateway(["python3", "-c", "bytearray(200 << 20)"], "--vm-memory-mib", "100") as gateway:
        assert status_of(gateway.get()) == 502
        assert gateway.visit()["console"] == "MemoryError"


def test_vm_killed_from_outside_while_it_boots(fake_vm):
    with Gateway([fake_vm, "hang"]) as gateway, gateway.connect() as client:
        client.sendall(REQUEST)
        wait_until(gateway.children, what="a VM")
        kill(gateway)
        assert status_of(receive_all(client)) == 502


def kill(gateway):
    os.kill(int(gateway.children()[0]), signal.SIGKILL)


# --- In the middle of an answer: a reset ---

WITHIN = {
    "ends": (["exit=0"], "vm_ended"),
    "is killed": (["kill"], "vm_ended"),
    "breaks the rules": (["hex=ffffffff", "hang"], "records"),
    "sends something behind its end": (["hex=00000003ff000002", "hang"], None),
    "aborts": (["abort", "hang"], "aborted"),
    "stops talking": (["hang"], "idle_timeout"),
}


@pytest.mark.parametrize("name", WITHIN)
def test_vm_that_has_begun_to_answer_and(fake_vm, name):
    steps, reason = WITHIN[name]
    with Gateway([fake_vm, READY, "open", "request", BEGUN, "sleep=50", *steps], "--idle-timeout-ms", "300") as gateway:
        with gateway.connect() as client:
            client.sendall(REQUEST)
            assert is_reset(client) == (reason is not None)
        assert gateway.metric("resets_total") == (reason is not None)
        assert reason is None or (failed(gateway, reason) == 1 and gateway.visit()["reason"] == reason)
        gateway.wait_for_quiet()


def test_server_that_aborts_at_once_resets_its_client(fake_vm):
    with Gateway([fake_vm, READY, "open", "abort", "hang"]) as gateway, gateway.connect() as client:
        assert is_reset(client)


def test_vm_killed_from_outside_in_mid_answer(fake_vm):
    with Gateway([fake_vm, READY, "open", BEGUN, "hang"]) as gateway, gateway.connect() as client:
        assert b"begun" in client.recv(1000)
        kill(gateway)
        assert is_reset(client)
        assert gateway.visit()["reason"] == "vm_ended"
        wait_until(lambda: gateway.events("vm_exited"), what="the log line")
        assert gateway.events("vm_exited")[0]["signal"] == 9


# --- Time ---


def test_vm_that_never_answers(fake_vm):
    with Gateway([fake_vm, READY, "open", "hang"], "--idle-timeout-ms", "300") as gateway:
        assert status_of(gateway.get()) == 504
        assert failed(gateway, "idle_timeout") == 1


def test_client_that_never_asks_is_let_go(fake_vm):
    with Gateway([fake_vm, READY, "open", "hang"], "--idle-timeout-ms", "300") as gateway, gateway.connect() as client:
        assert client.recv(1) == b""
        assert gateway.visit()["outcome"] == "silent"


def test_bytes_put_off_the_idle_timeout_and_nothing_the_total_one(fake_vm):
    with Gateway([fake_vm, READY, "open", "echo"], "--idle-timeout-ms", "300", "--total-timeout-ms", "1000") as gateway:
        began = time.monotonic()
        with gateway.connect() as client:
            with pytest.raises(ConnectionError):
                for _ in range(100):
                    client.sendall(b"x")
                    client.recv(1)
                    time.sleep(0.05)
                    if time.monotonic() - began > 3:
                        break
        assert 0.9 < time.monotonic() - began < 2.5
        assert gateway.visit()["reason"] == "total_timeout"


# --- Clients ---


@pytest.mark.parametrize("steps", [["hang"], [READY, "open", "hang"], [READY, "open", "blast=100000000"]])
def test_client_that_resets_takes_its_vm_along(fake_vm, steps):
    with Gateway([fake_vm, *steps]) as gateway:
        client = gateway.connect()
        client.sendall(REQUEST)
        wait_until(gateway.children, what="a VM")
        time.sleep(0.05)
        reset(client)
        gateway.wait_for_quiet(2)
        assert gateway.visit()["outcome"] == "client_left"
        assert sum(value for name, value in gateway.metrics().items() if name.startswith("failed")) == 0


def test_client_that_goes_on_sending_still_gets_the_whole_answer(fake_vm):
    with Gateway([fake_vm, READY, "open", "request", "say=HTTP/1.1 413 X\r\n\r\n", "blast=100000", "end"]) as gateway:
        with gateway.connect() as client:
            sender = threading.Thread(target=send_without_end, args=(client,), daemon=True)
            sender.start()
            received = 0
            while part := client.recv(65536):
                received += len(part)
            assert received > 100000
            reset(client)
            sender.join(5)


def send_without_end(client):
    try:
        client.sendall(REQUEST)
        while True:
            client.sendall(b"x" * 10000)
    except OSError:
        pass


# --- VMs in advance ---


def test_warm_vms_that_fail_are_not_started_in_a_loop(fake_vm):
    with Gateway([fake_vm, "print=broken", "exit=1"], "--warm", "4") as gateway:
        time.sleep(1.5)
        assert 1 <= gateway.metric("warm_failed_total") <= 12
        assert gateway.events("warm_failed")[0]["console"] == "broken"
        assert status_of(gateway.get()) == 502


def test_warm_vm_that_dies_while_it_waits_is_replaced(fake_vm):
    with Gateway([fake_vm, *SERVE], "--warm", "1") as gateway:
        wait_until(lambda: gateway.metric("vms_warm") == 1, what="a warm VM")
        kill(gateway)
        wait_until(lambda: gateway.metric("vms_warm") == 0, what="its end")
        wait_until(lambda: gateway.metric("vms_warm") == 1, what="its replacement")
        assert status_of(gateway.get()) == 200
