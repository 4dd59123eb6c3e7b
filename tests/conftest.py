"""Virtual machines that several tests share: one per combination of isolation, machine and CPUs."""

import pytest
from combinations import COMBINATIONS, EITHER, arguments_of
from vm import Machine


@pytest.fixture(scope="session", params=COMBINATIONS)
def machine(request):
    """Every combination, one after the other: all tests that use it share one machine each."""
    with Machine(*arguments_of(request.param)) as running:
        running.isolation = request.param.split("-")[0]
        yield running


@pytest.fixture(scope="module", params=EITHER)
def either_machine(request):
    """The two pure modes, on different machines, for tests that are told one by one."""
    with Machine(*arguments_of(request.param)) as running:
        yield running


@pytest.fixture(scope="session")
def fake_vm(tmp_path_factory):
    """The gateway's VM for tests."""
    from gateways import build_fake_vm

    return build_fake_vm(tmp_path_factory.mktemp("vm"))
