"""Virtual machines that several tests share: one per combination of isolation, machine and CPUs."""

import itertools

import pytest
from vm import Machine

ISOLATIONS = {
    "user": ["--isolate", "*=user"],
    "kernel": ["--isolate", "*=kernel"],
    "mixed": ["--isolate", "*=user", "--isolate", "tcpip=kernel"],
}
COMBINATIONS = [f"{isolation}-{machine}-{cpus}" for isolation, machine, cpus in itertools.product(ISOLATIONS, ("microvm", "q35"), (1, 4))]


def arguments_of(combination):
    isolation, machine, cpus = combination.split("-")
    return [*ISOLATIONS[isolation], "--machine", machine, "--cpus", cpus]


@pytest.fixture(scope="module", params=COMBINATIONS)
def machine(request):
    """Every combination."""
    with Machine(*arguments_of(request.param)) as running:
        running.isolation = request.param.split("-")[0]
        yield running


@pytest.fixture(scope="module", params=["user-microvm-1", "kernel-q35-4"])
def either_machine(request):
    """The two pure modes, on different machines."""
    with Machine(*arguments_of(request.param)) as running:
        yield running


@pytest.fixture(scope="session")
def fake_vm(tmp_path_factory):
    """The gateway's VM for tests."""
    from gateways import build_fake_vm

    return build_fake_vm(tmp_path_factory.mktemp("vm"))
