"""The gateway in operation: starts, ends, logs, is measured, and is set up by systemd."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from gateways import PROGRAM, READY, REQUEST, SERVE, Gateway, status_of, wait_until
from vm import ROOT, free_port, receive_all

SLOW = (READY, "open", "request", "sleep=300", "answer=0", "end", "hang")


# --- The end ---


def test_sigterm_under_load_finishes_what_has_begun(fake_vm):
    with Gateway([fake_vm, *SLOW], "--vms", "8", "--drain-timeout-ms", "10000") as gateway:
        answers = []
        visitors = [threading.Thread(target=lambda: answers.append(gateway.get())) for _ in range(20)]
        for visitor in visitors:
            visitor.start()
        wait_until(lambda: gateway.metric("visits_total") == 20, what="twenty visits")
        gateway.process.terminate()
        for visitor in visitors:
            visitor.join()
        assert [status_of(answer) for answer in answers] == [200] * 20
        assert gateway.process.wait(10) == 0
        with pytest.raises(ConnectionRefusedError):
            gateway.connect()


def test_visitors_that_come_with_the_signal_are_told_to_come_back(fake_vm):
    with Gateway([fake_vm, *SLOW], "--vms", "1") as gateway:
        gateway.process.send_signal(signal.SIGSTOP)
        clients = [gateway.connect() for _ in range(20)]  # the kernel holds them
        gateway.process.terminate()
        gateway.process.send_signal(signal.SIGCONT)
        for client in clients:
            client.sendall(REQUEST)
        assert {status_of(receive_all(client)) for client in clients} <= {200, 503}
        assert gateway.process.wait(10) == 0


def test_drain_ends(fake_vm):
    command = [fake_vm, READY, "open", "request", "hang"]
    with Gateway(command, "--vms", "1", "--drain-timeout-ms", "300", "--idle-timeout-ms", "20000") as gateway:
        answers = []
        visitors = [threading.Thread(target=lambda: answers.append(gateway.get())) for _ in range(2)]
        for visitor in visitors:
            visitor.start()
        wait_until(lambda: gateway.metric("queue_length") == 1, what="the queue")
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGINT)
        assert gateway.process.wait(10) == 0
        assert 0.25 < time.monotonic() - began < 4
        for visitor in visitors:
            visitor.join()
        assert [status_of(answer) for answer in answers] == [503, 503]


def test_second_signal_ends_at_once(fake_vm):
    with Gateway([fake_vm, READY, "open", "say=begun", "hang"]) as gateway, gateway.connect() as client:
        client.recv(1)
        children = gateway.children()
        gateway.process.terminate()
        wait_until(lambda: gateway.events("drain"), what="the drain")
        gateway.process.terminate()
        gateway.process.wait(2)
        wait_until(lambda: not any(os.path.exists(f"/proc/{child}/exe") for child in children), what="the VM's end")


@pytest.mark.parametrize("options", [[], ["--warm", "3"]])
def test_killed_gateway_leaves_no_vm(fake_vm, options):
    with Gateway([fake_vm, READY, "open", "say=begun", "hang"], *options) as gateway, gateway.connect() as client:
        client.recv(1)
        children = gateway.children()
        assert len(children) >= 1
        gateway.process.kill()
        gateway.process.wait()
        wait_until(lambda: not any(is_alive(child) for child in children), what="the VMs' end")


def is_alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_warm_vms_end_with_the_gateway(fake_vm):
    with Gateway([fake_vm, *SERVE], "--warm", "4") as gateway:
        wait_until(lambda: gateway.metric("vms_warm") == 4, what="four warm VMs")
        children = gateway.children()
        gateway.process.terminate()
        assert gateway.process.wait(2) == 0
        assert not any(is_alive(child) for child in children)


# --- The sandbox ---


def test_vm_has_its_link_and_nothing_else(fake_vm):
    with Gateway([fake_vm, READY, "open", "means", "end", "hang"], "--vm-memory-mib", "100") as gateway:
        held = gateway.connect()  # another visit's descriptors are not inherited either
        answer = gateway.get().decode()
        held.close()
    assert answer == "socket EPERM, memory 100, core 0, descriptors 4, leader 1"


MACHINE = ["qemu-system-x86_64", "-M", "microvm", "-bios", "qboot.rom", "-accel", "tcg,tb-size=16", "-cpu", "max", "-m", "8"]
MACHINE += ["-global", "virtio-mmio.force-legacy=false", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
MACHINE += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-kernel", ROOT / "build/hello/starina.elf"]
CONSOLE = ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
LINK = ["-chardev", "socket,id=link,fd=3"]
PORT = ["-device", "virtio-serial-device", "-device", "virtserialport,chardev=link"]


def test_qemu_boots_in_the_sandbox():
    """The system knows no link, so it is not ready in time; its console arrives."""
    limits = ["--boot-timeout-ms", "3000", "--vm-memory-mib", "520"]
    with Gateway([*MACHINE, *CONSOLE, *LINK, *PORT], *limits) as gateway:
        assert status_of(gateway.get()) == 502
        line = gateway.visit()
        assert line["reason"] == "boot_timeout" and re.search(r"echo_client|calls ok|booted in", line["console"]), line


def test_qemu_speaks_over_the_link_in_the_sandbox():
    """What it writes to a serial line that is the link are no records: that it arrives is told by their refusal."""
    with Gateway([*MACHINE, *LINK, "-serial", "chardev:link"], "--vm-memory-mib", "520") as gateway:
        assert status_of(gateway.get()) == 502
        assert gateway.visit()["reason"] == "records"
        gateway.wait_for_quiet()


# --- The log ---


def test_full_disk_does_not_stop_it(fake_vm):
    with Gateway([fake_vm, *SERVE], log="/dev/full") as gateway:
        assert status_of(gateway.get()) == 200
        wait_until(lambda: gateway.metric("log_lines_dropped_total") >= 2, what="dropped lines")


def test_blocked_pipe_does_not_stop_it(fake_vm):
    ours, theirs = os.pipe()
    port, metrics_port = free_port(), free_port()
    command = [PROGRAM, "--listen", f"127.0.0.1:{port}", "--metrics", f"127.0.0.1:{metrics_port}", "--", fake_vm, *SERVE]
    with subprocess.Popen(command, stderr=theirs) as process:
        os.close(theirs)
        os.read(ours, 1000)  # it has started
        for _ in range(600):  # more lines than a pipe holds
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                client.sendall(REQUEST)
                assert status_of(receive_all(client)) == 200
        process.terminate()
        assert process.wait(10) == 0
    os.close(ours)


def test_lines_are_json_whatever_a_vm_prints(fake_vm):
    with Gateway(["sh", "-c", r"printf 'a\001\"\\b\377\n%s\n' " + "x" * 5000]) as gateway:
        gateway.get()
        assert gateway.visit()["console"] == "x" * 240
    with Gateway(["printf", r'a\001"\\b\377\n\n']) as gateway:
        gateway.get()
        assert gateway.visit()["console"] == 'a\x01"\\b\xff'


# --- Metrics ---


def test_metrics(fake_vm):
    with Gateway([fake_vm, *SERVE]) as gateway:
        size = len(gateway.get())
        metrics = gateway.metrics()
        assert metrics["boots_total"] == metrics["visits_total"] == metrics["boot_seconds_count"] == 1
        assert metrics['boot_seconds_bucket{le="+Inf"}'] == 1 and 0 < metrics["boot_seconds_sum"] < 5
        assert metrics['bytes_total{direction="in"}'] == len(REQUEST) and metrics['bytes_total{direction="out"}'] == size
        buckets = [value for name, value in metrics.items() if name.startswith("boot_seconds_bucket")]
        assert len(buckets) == 14 and buckets == sorted(buckets)


def ask(gateway, request, timeout=10):
    with socket.create_connection(("127.0.0.1", gateway.metrics_port), timeout) as client:
        client.sendall(request)
        return receive_all(client)


@pytest.mark.parametrize("request_line", ["GET / HTTP/1.1", "GET /metricsx HTTP/1.1", "POST /metrics HTTP/1.1", "\x16\x03\x01", "x" * 5000])
def test_metrics_server_has_nothing_else(fake_vm, request_line):
    with Gateway([fake_vm, *SERVE]) as gateway:
        assert status_of(ask(gateway, request_line.encode() + b"\r\n\r\n")) == 404


def test_metrics_server_survives_those_that_ask_nothing(fake_vm):
    with Gateway([fake_vm, *SERVE]) as gateway:
        clients = [socket.create_connection(("127.0.0.1", gateway.metrics_port)) for _ in range(50)]
        assert gateway.metric("visits_total") == 0
        assert gateway.descriptors() <= gateway.descriptors_at_rest + 12
        for client in clients:
            client.close()
        gateway.wait_for_quiet()


def test_prometheus_would_understand_it(fake_vm):
    with Gateway([fake_vm, *SERVE]) as gateway:
        body = ask(gateway, b"GET /metrics HTTP/1.1\r\n\r\n").decode().split("\r\n\r\n", 1)[1]
    sample = re.compile(r'starina_[a-z_]+(?:\{[a-z]+="[^"]*"\})? [0-9.e+-]+')
    comment = re.compile(r"# (HELP starina_[a-z_]+ .+|TYPE starina_[a-z_]+ (counter|gauge|histogram))")
    assert all(sample.fullmatch(line) or comment.fullmatch(line) for line in body.splitlines()) and body.endswith("\n")


# --- systemd ---


def test_socket_activation(fake_vm, tmp_path):
    http, metrics = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    script = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])"

    def pass_on():
        high = [os.dup(item.fileno()) for item in (http, metrics)]
        high = [os.dup2(item, 40 + number) for number, item in enumerate(high)]
        for number, item in enumerate(high):
            os.dup2(item, 3 + number)

    environment = os.environ | {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:metrics"}
    command = [sys.executable, "-c", script, PROGRAM, "--vms", "1", "--", fake_vm, *SLOW]
    with subprocess.Popen(command, preexec_fn=pass_on, close_fds=False, env=environment, stderr=subprocess.PIPE) as process:
        try:
            clients = [socket.create_connection(http.getsockname(), 10) for _ in range(2)]
            for client in clients:
                client.sendall(REQUEST)
            with socket.create_connection(metrics.getsockname(), 10) as client:
                client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                assert b"starina_queue_length 1\n" in receive_all(client)
            process.terminate()  # the second VM starts when the listening socket is closed already
            assert [status_of(receive_all(client)) for client in clients] == [200, 200]
            assert process.wait(10) == 0
        finally:
            process.kill()
    http.close()
    metrics.close()


def test_units_are_valid(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    for unit in (ROOT / "tools/gateway").glob("starina-gateway*"):
        text = unit.read_text().replace("/usr/local/bin/starina-gateway", str(PROGRAM))
        (tmp_path / unit.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    assert len(units) == 3
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if "starina" in line]
    assert done.returncode == 0 and not complaints, done.stderr


# --- The command line ---


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ([], "no command: give the VM's command line behind '--'"),
        (["--", "true"], "nowhere to listen: give --listen ADDRESS:PORT, or a systemd socket named 'http'"),
        (["--listen", "localhost:80", "--", "true"], "give an IPv4 address and a port, as in 127.0.0.1:8080"),
        (["--vms", "0", "--", "true"], "give a number from 1 to 4096"),
        (["--wms", "1", "--", "true"], "unknown option '--wms'; see: gateway --help"),
        (["--vms"], "--vms needs a value"),
        (["--warm", "9", "--vms", "8", "--", "true"], "--warm 9: at most --vms, which is 8"),
        (["--listen", "127.0.0.1:1", "--log", "/no/such/file", "--", "true"], "name a file that can be appended to"),
        (["--listen", "192.0.2.1:8080", "--", "true"], "choose another with --listen"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, complaint):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and complaint in done.stderr, done.stderr


def test_too_few_descriptors_are_told_in_one_line():
    command = f"ulimit -Sn 1000; ulimit -Hn 1000; exec {PROGRAM} --listen 127.0.0.1:{free_port()} -- true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and "raise the hard limit (ulimit -Hn), or lower --vms and --queue" in done.stderr


def test_help():
    text = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    documented = (ROOT / "docs/gateway.md").read_text()
    options = re.findall(r"--[a-z-]+", text)
    assert len(options) > 12 and all(option in documented for option in options if option != "--help")
