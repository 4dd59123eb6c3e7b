"""What a system can be run as: isolation, machine, number of CPUs."""

import itertools

ISOLATIONS = {
    "user": ["--isolate", "*=user"],
    "kernel": ["--isolate", "*=kernel"],
    "mixed": ["--isolate", "*=user", "--isolate", "tcpip=kernel"],
}
COMBINATIONS = [f"{isolation}-{machine}-{cpus}" for isolation, machine, cpus in itertools.product(ISOLATIONS, ("microvm", "q35"), (1, 4))]
EITHER = ["user-microvm-1", "kernel-q35-4"]


def arguments_of(combination):
    isolation, machine, cpus = combination.split("-")
    return [*ISOLATIONS[isolation], "--machine", machine, "--cpus", cpus]
