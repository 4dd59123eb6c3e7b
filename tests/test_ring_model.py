"""The model of the rings (lib/ring/ring.pml) holds in every interleaving, and would not if the protocol had a mistake."""

import subprocess

import pytest
from vm import ROOT

MODEL = ROOT / "lib/ring/ring.pml"
DEPTH = 1_000_000  # steps of a run, which none of them reaches
# What breaks: a macro of the model, and the complaint.
OVERSLEEPS = "!(waits[0])"  # the producer waits for room that there is
LEAVES = "in_position[1]==out_position[0]"  # messages that nobody takes
GARBLES = "slots[slot]=="
OVERWRITES = "!(is_full[slot])"
MISTAKES = {
    "NO_SECOND_LOOK": OVERSLEEPS,  # at the tail, between saying that one sleeps and sleeping
    "WEAK_PUBLISH": LEAVES,  # the tail's store is seen after the flag was read
    "WEAK_SLEEP": OVERSLEEPS,  # the flag's store is seen after the tail was read
    "FLAG_BEFORE_TAIL": LEAVES,  # publishing reads the flag first
    "SLOT_AFTER_TAIL": GARBLES,  # publishing before the slot is written
    "ROOM_BEFORE_READ": GARBLES,  # giving the slot back before it is read
    "NO_ROOM_CHECK": OVERWRITES,
    "SLEEP_UNPUBLISHED": OVERSLEEPS,  # the consumer sleeps on room that it did not give back
    "MODULUS=2": OVERSLEEPS,  # counters that wrap at the length: full looks like empty
}


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def verifier(folder, macros=(), compiler_flags=("-DSAFETY", "-DNOCLAIM")):
    """The program that spin makes of the model."""
    run(folder, "spin", "-Pclang-19 -E -x c", *(f"-D{macro}" for macro in macros), "-a", MODEL)
    run(folder, "clang-19", "-w", *compiler_flags, "-o", "pan", "pan.c")
    return folder / "pan"


def verify(folder, program, *arguments):
    """What a full search complains about, None if nothing."""
    output = run(folder, program, f"-m{DEPTH}", *arguments)
    complaints = [line for line in output.splitlines() if line.startswith("pan:1:")]
    is_whole = "max search depth too small" not in output and "Search not completed" not in output
    assert complaints or (is_whole and "errors: 0" in output), output
    return complaints[0] if complaints else None


@pytest.mark.parametrize("length, modulus", [(1, 2), (2, 4)])
def test_nothing_is_lost_overwritten_or_overslept(length, modulus, tmp_path):
    assert verify(tmp_path, verifier(tmp_path, [f"LENGTH={length}", f"MODULUS={modulus}"])) is None


@pytest.mark.parametrize("mistake, complaint", MISTAKES.items())
def test_mistake_is_found(mistake, complaint, tmp_path):
    assert complaint in verify(tmp_path, verifier(tmp_path, [mistake]))


@pytest.mark.parametrize("claim", ["consumer_wakes", "producer_wakes"])
def test_who_sleeps_wakes_up(claim, tmp_path):
    """Under weak fairness; assertions are of the tests above."""
    search = ("-a", "-f", "-A", "-N", claim)
    (tmp_path / "right").mkdir()
    assert verify(tmp_path, verifier(tmp_path / "right", ["LENGTH=1", "MODULUS=2"], ["-DNFAIR=3"]), *search) is None
    (tmp_path / "wrong").mkdir()
    assert "acceptance cycle" in verify(tmp_path, verifier(tmp_path / "wrong", ["NO_SECOND_LOOK"], ["-DNFAIR=3"]), *search)
