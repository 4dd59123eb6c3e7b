"""A server that dies is started again, its clients connect anew, and the page is served as before."""

import time

import pytest
from combinations import COMBINATIONS, arguments_of
from vm import ROOT, Machine, side_by_side

SERVERS = ("virtio_net", "tcpip", "http_server")
BACK_WITHIN = 15  # seconds


def is_served(machine):
    try:
        return machine.get(timeout=1) == (ROOT / "site/index.html").read_bytes()
    except OSError:
        return False


def wait_until_served(machine):
    deadline = time.monotonic() + BACK_WITHIN
    while not is_served(machine):
        assert time.monotonic() < deadline, machine.console.text()


def kill(victim, combination, after_ms=2000):
    chaos = ["--set", "chaos.act=kill", "--set", f"chaos.victim={victim}", "--set", f"chaos.after_ms={after_ms}"]
    return Machine(*arguments_of(combination), "--set", "init.allow_kill=1", *chaos)


def check_that_page_comes_back(victim, combination):
    with kill(victim, combination) as running:
        assert is_served(running)
        connection = running.connect()
        running.wait_for(rf"init: {victim}: restart 1 in")
        wait_until_served(running)
        states = {item["name"]: item for item in running.status()["components"]}
        assert states[victim]["restarts"] >= 1
        assert all(states[name]["restarts"] == 0 for name in SERVERS if name != victim), running.console.text()
        connection.close()


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_page_comes_back(combination):
    side_by_side(check_that_page_comes_back, [(victim, combination) for victim in SERVERS])


def test_killing_again_and_again_leaks_nothing():
    def state_after(count):
        running.wait_for(r"tcpip: address", 30, count + 1)
        wait_until_served(running)
        return running.status()

    with kill("tcpip", "user-microvm-1", after_ms=1000) as running:
        first, second = state_after(2), state_after(6)
        names = ("init", "virtio_net", "http_server")
        before, after = ({item["name"]: item for item in state["components"]} for state in (first, second))
        assert all(after[name]["memory"] <= before[name]["memory"] + 8192 for name in names), (before, after)
        assert all(after[name]["handles"] <= before[name]["handles"] + 2 for name in names), (before, after)
        assert second["memory_kernel"] <= first["memory_kernel"] + 16384


def test_one_that_dies_too_often_is_given_up():
    with Machine("--set", "chaos.act=exit", "--set", "chaos.after_ms=1") as running:
        running.wait_for(r"init: error: chaos: given up: 10 restarts within 60 s", 60)
        assert running.component("chaos")["state"] == "given up"
        assert is_served(running)


def test_killing_is_refused_unless_allowed():
    with Machine("--set", "chaos.act=kill", "--set", "chaos.after_ms=100") as running:
        running.wait_for(r"chaos: warning: kill: tcpip: ERR_DENIED")
        assert is_served(running)
        assert running.component("tcpip")["restarts"] == 0
