"""A flood is answered, not endured: every visitor is served or told to come back, and nothing grows."""

import resource
import selectors
import socket
import subprocess
import threading
import time

import pytest
from gateways import READY, REQUEST, SERVE, Gateway, reset, status_of, wait_until
from vm import receive_all


def visit_all(gateway, count):
    """Opens all connections before the first answer is read; returns the answers."""
    clients = [gateway.connect() for _ in range(count)]
    for client in clients:
        client.sendall(REQUEST)
    answers = [b""] * count
    with selectors.DefaultSelector() as selector:
        for number, client in enumerate(clients):
            selector.register(client, selectors.EVENT_READ, number)
        while selector.get_map():
            ready = selector.select(20)
            assert ready, f"{len(selector.get_map())} visitors wait without an answer"
            for key, _ in ready:
                part = key.fileobj.recv(65536)  # raises if it was reset
                answers[key.data] += part
                if not part:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
    return answers


def is_whole(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return f"Content-Length: {len(body)}\r\n".encode() in head + b"\r\n"


def test_flood_of_a_thousand_is_answered_and_leaves_nothing(fake_vm):
    with Gateway([fake_vm, *SERVE], "--vms", "8") as gateway:
        visit_all(gateway, 100)
        gateway.wait_for_quiet()
        memory = gateway.memory_kib()
        answers = visit_all(gateway, 1000)
        assert all(is_whole(answer) for answer in answers)
        statuses = [status_of(answer) for answer in answers]
        assert set(statuses) <= {200, 503} and statuses.count(200) >= 8 + 256, statuses.count(200)
        assert all(b"\r\nRetry-After: 2\r\n" in answer for answer in answers if status_of(answer) == 503)
        gateway.wait_for_quiet()
        assert gateway.memory_kib() <= memory + 256, (memory, gateway.memory_kib())
        metrics = gateway.metrics()
        assert metrics["visits_total"] == 1100 and metrics["vms"] == metrics["visits_active"] == metrics["queue_length"] == 0
        assert metrics["boots_total"] + metrics['refused_total{reason="queue_full"}'] == 1100


def test_never_more_vms_than_allowed(fake_vm):
    with Gateway([fake_vm, READY, "open", "request", "sleep=30", "answer=0", "end", "hang"], "--vms", "3") as gateway:
        most, is_over = 0, threading.Event()

        def watch():
            nonlocal most
            while not is_over.is_set():
                most = max(most, len(gateway.children()))

        watcher = threading.Thread(target=watch)
        watcher.start()
        answers = visit_all(gateway, 30)
        is_over.set()
        watcher.join()
        assert [status_of(answer) for answer in answers] == [200] * 30
        assert most == 3


def test_queue_is_served_in_order(fake_vm):
    with Gateway([fake_vm, READY, "open", "request", "sleep=30", "answer=0", "end", "hang"], "--vms", "1") as gateway:
        visit_all(gateway, 10)
        assert [event["visit"] for event in gateway.events("visit")] == list(range(1, 11))


def test_wait_in_the_queue_ends(fake_vm):
    with Gateway([fake_vm, READY, "open", "hang"], "--vms", "1", "--queue-wait-ms", "300") as gateway, gateway.connect():
        began = time.monotonic()
        answer = gateway.get()
        assert status_of(answer) == 503 and is_whole(answer) and 0.25 < time.monotonic() - began < 2
        assert gateway.metric('refused_total{reason="queue_wait"}') == 1


def test_full_queue_refuses(fake_vm):
    with Gateway([fake_vm, READY, "open", "hang"], "--vms", "1", "--queue", "2") as gateway:
        clients = [gateway.connect() for _ in range(3)]
        wait_until(lambda: gateway.metric("queue_length") == 2, what="the queue")
        assert status_of(gateway.get()) == 503
        for client in clients:
            client.close()


def test_visitor_that_resets_leaves_the_queue(fake_vm):
    with Gateway([fake_vm, READY, "open", "hang"], "--vms", "1", "--queue", "3") as gateway:
        clients = [gateway.connect() for _ in range(4)]
        wait_until(lambda: gateway.metric("queue_length") == 3, what="the queue")
        for client in (clients[2], clients[3], clients[1]):  # from its middle, its end and its beginning
            reset(client)
        wait_until(lambda: gateway.metric("queue_length") == 0, what="the empty queue")
        with gateway.connect():
            wait_until(lambda: gateway.metric("queue_length") == 1, what="the queue")
        clients[0].close()


def test_no_queue_at_all(fake_vm):
    with Gateway([fake_vm, READY, "open", "hang"], "--vms", "1", "--queue", "0") as gateway, gateway.connect():
        wait_until(lambda: gateway.metric("visits_active") == 1, what="the visit")
        assert status_of(gateway.get()) == 503


def test_visits_per_client_are_limited_and_others_are_served(fake_vm):
    with Gateway([fake_vm, *SERVE], "--per-client", "2") as gateway:
        held = [gateway.connect() for _ in range(2)]
        wait_until(lambda: gateway.metric("visits_active") == 2, what="two visits")
        assert status_of(gateway.get()) == 503
        assert gateway.metric('refused_total{reason="per_client"}') == 1
        with socket.create_connection(("127.0.0.1", gateway.port), 10, source_address=("127.0.0.2", 0)) as other:
            other.sendall(REQUEST)
            assert status_of(receive_all(other)) == 200
        held[0].sendall(REQUEST)
        assert status_of(receive_all(held[0])) == 200
        wait_until(lambda: gateway.metric("visits_active") == 1, what="the end of one")
        assert status_of(gateway.get()) == 200


def test_answers_reach_clients_that_have_sent_much(fake_vm):
    with Gateway([fake_vm, READY, "open", "hang"], "--per-client", "1") as gateway, gateway.connect():
        wait_until(lambda: gateway.metric("visits_active") == 1, what="the visit")
        for _ in range(20):
            answer = gateway.get(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000)
            assert status_of(answer) == 503 and is_whole(answer)


def test_want_of_descriptors_pauses_accepting(fake_vm):
    """More connections than descriptors: it neither spins nor dies, and goes on when there are some again."""
    with Gateway([fake_vm, READY, "open", "hang"], "--vms", "4", "--queue", "256") as gateway:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (40, 4096))
        clients = [gateway.connect() for _ in range(60)]
        wait_until(lambda: gateway.events("accept_paused"), what="the pause")
        before = processor_ticks(gateway)
        time.sleep(0.5)
        assert processor_ticks(gateway) - before <= 3
        for client in clients:
            client.close()
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        wait_until(lambda: gateway.metric("visits_total") == 60, what="the rest")


def processor_ticks(gateway):
    return sum(int(item) for item in open(f"/proc/{gateway.process.pid}/stat").read().split()[13:15])


# --- Warm VMs ---


def test_warm_vms_are_used_once_and_replaced(fake_vm):
    with Gateway(["sh", "-c", f"sleep 0.8; exec {fake_vm} {' '.join(SERVE)}"], "--warm", "4") as gateway:
        wait_until(lambda: gateway.metric("vms_warm") == 4, what="four warm VMs")
        answers = visit_all(gateway, 4)
        assert len({answer.split(b"pid ")[1].split()[0] for answer in answers}) == 4
        assert all(event["duration_ms"] < 700 for event in gateway.events("visit"))
        wait_until(lambda: gateway.metric("vms_warm") == 4, what="their replacements")
        assert gateway.metric("boots_total") == 8


def test_warm_vms_count_among_all(fake_vm):
    with Gateway([fake_vm, *SERVE], "--vms", "2", "--warm", "2") as gateway:
        assert [status_of(answer) for answer in visit_all(gateway, 40)] == [200] * 40
        wait_until(lambda: gateway.metric("vms_warm") == 2, what="two warm VMs")


def test_visitor_takes_a_vm_that_boots_for_the_pool(fake_vm):
    with Gateway(["sh", "-c", f"sleep 0.5; exec {fake_vm} {' '.join(SERVE)}"], "--vms", "1", "--warm", "1") as gateway:
        assert status_of(gateway.get()) == 200
        assert gateway.metric("boots_total") == 1


# --- Attacks ---


@pytest.mark.parametrize("attack", [["-H"], ["-B", "-s", "8192"], ["-X", "-w", "1", "-y", "2", "-z", "1"]])
def test_slow_attack_does_not_keep_others_out(fake_vm, attack):
    limits = ["--vms", "8", "--queue-wait-ms", "3000", "--idle-timeout-ms", "500", "--total-timeout-ms", "2000"]
    with Gateway([fake_vm, *SERVE], *limits) as gateway:
        command = ["slowhttptest", *attack, "-c", "50", "-r", "50", "-i", "1", "-l", "3", "-x", "10", "-u", f"http://127.0.0.1:{gateway.port}/"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as attacker:
            time.sleep(0.5)
            statuses = [status_of(gateway.get()) for _ in range(5)]
            attacker.wait(30)
        assert set(statuses) <= {200, 503} and 200 in statuses, statuses
        gateway.wait_for_quiet()
        assert len(gateway.children()) == 0
