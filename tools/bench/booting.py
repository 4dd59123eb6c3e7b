"""Boots a system and asks it for its page: the one way in which every benchmark starts a virtual machine."""

import time
from contextlib import closing, contextmanager

import http_answer
import link
import network as networks
from machine import Machine

TIMEOUT_SECONDS = 180  # Debian takes two on an idle machine, many times that under the plugin on a busy one
LINK = "id=link,fd="


@contextmanager
def booted(subject, memory=None, extra=(), timeout=TIMEOUT_SECONDS, network=None):
    """A machine that was started and asked; its `answer_ms` is None if no good answer came in time."""
    deadline = time.monotonic() + timeout
    way = over_link if subject.link else over_network
    with way(subject, memory or subject.memory, extra, network or networks.user(), deadline) as machine:
        yield machine


@contextmanager
def over_network(subject, memory, extra, network, deadline):
    command = [*network.prefix, *subject.command(network, memory), *extra]
    with Machine(command, subject.marker, subject.pass_fds) as machine:
        machine.answer_ms = None
        if subject.marker is None or machine.wait_for_marker(deadline):
            with network.inside():
                address = (network.host, network.port)
                manner = http_answer.LISTENING if subject.marker else http_answer.STARTING
                body = http_answer.first_answer(address, subject.small, deadline, lambda: machine.is_over, manner)
            machine.answer_ms = machine.elapsed_ms() if body else None
        yield machine


@contextmanager
def over_link(subject, memory, extra, network, deadline):
    ours, theirs = link.pair()
    with closing(ours), closing(theirs):
        command = [word.replace(f"{LINK}3", f"{LINK}{theirs.fileno()}") for word in subject.command(network, memory)]
        with Machine([*command, *extra], pass_fds=[theirs.fileno()]) as machine:
            theirs.close()
            body = link.first_answer(ours, subject.small, deadline)
            machine.answer_ms = machine.elapsed_ms() if body else None
            yield machine


def must_answer(subject, machine):
    if machine.answer_ms is None:
        raise machine.failure(subject.title, f"gave no good answer to {subject.small}")
