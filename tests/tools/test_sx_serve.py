"""What sx serve makes of its options, and how it ends."""

import argparse
import signal
import socket
import subprocess
import urllib.request

import pytest
import qemu
import serve
from paths import ROOT
from ui import Fail


@pytest.fixture
def visit(small_tree):
    small_tree.component("hello")
    return small_tree.system("[components.hello]")


def options(*arguments):
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    return parser.parse_args(arguments)


def free_ports(count):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def test_gateway_gets_its_options_and_the_machine_its_own(visit):
    chosen = options("--port", "8099", "--vms", "9", "--warm", "2", "--memory", "16", "--isolate", "hello=kernel")
    line = qemu.quoted(serve.command(chosen, visit))
    gateway, _, machine = line.partition(" -- ")
    assert gateway.startswith("build/gateway --listen 127.0.0.1:8099 --metrics 127.0.0.1:9180 --vms 9 --warm 2 ")
    assert "--vm-memory-mib 528" in gateway and machine.startswith(qemu.PROGRAM)
    assert "-m 16 " in machine and "fd=3" in machine and "-sandbox on," in machine and "isolate=hello:kernel" in machine


def test_metrics_can_be_left_out_and_the_log_is_where_the_user_is(visit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = serve.command(options("--metrics-port", "0", "--log", "a.log"), visit)
    assert "--metrics" not in line and str(tmp_path / "a.log") in line


def test_one_address_may_take_everything_unless_told_otherwise(visit):
    assert "--per-client 10 " in qemu.quoted(serve.command(options("--vms", "4", "--queue", "6"), visit))
    assert "--per-client 3 " in qemu.quoted(serve.command(options("--per-client", "3"), visit))


def test_mistakes_are_told(visit):
    with pytest.raises(Fail, match="--warm 9: at most --vms, which is 8"):
        serve.check(options("--vms", "8", "--warm", "9"))
    with pytest.raises(Fail, match="--metrics-port 8080: visitors come there"):
        serve.check(options("--metrics-port", "8080"))


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
def test_port_in_use_is_told(option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = {"--port": "--metrics-port", "--metrics-port": "--port"}[option]
        with pytest.raises(Fail, match=rf"port {port} can't be used .*choose another: sx serve {option} {port + 1}"):
            serve.check(options(option, str(port), other, free_ports(1)[0]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_cleanly(number, tmp_path):
    port, metrics_port = free_ports(2)
    command = [ROOT / "sx", "serve", "--port", port, "--metrics-port", metrics_port, "--log", tmp_path / "log"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            while "Metrics: " not in (line := process.stdout.readline()):
                assert line, "it ended"
            wait_for_port(int(metrics_port))
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10) as answer:
                assert b"starina_visits_total 0\n" in answer.read()
            process.send_signal(number)
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert '"event":"stop"' in (tmp_path / "log").read_text()


def wait_for_port(port):
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError("nothing listens")
