"""The counts that are not to rise: tools/bench/reference/NAME.json, written by `sx bench NAME --set-reference`."""

import json
from pathlib import Path

from ui import Fail

ALLOWED_RISE = 0.03


def path_of(name):
    return Path(__file__).parent / "reference" / f"{name}.json"


def save(name, counts):
    path_of(name).parent.mkdir(exist_ok=True)
    path_of(name).write_text(json.dumps(counts, indent=2) + "\n")


def check(name, counts, is_measured=lambda key: True):
    """Fails if a count is over its reference by more than the allowed rise, or either side has one that the other lacks."""
    expected = {key: count for key, count in json.loads(path_of(name).read_text()).items() if is_measured(key)}
    update = f"if that is meant: sx bench {name} --set-reference"
    if set(expected) != set(counts):
        odd = ", ".join(sorted(set(expected) ^ set(counts)))
        raise Fail(f"the reference and this run do not measure the same ({odd}); {update}")
    risen = [f"{key}: {counts[key]:.2f}, not {expected[key]:.2f}" for key in counts if counts[key] > expected[key] * (1 + ALLOWED_RISE)]
    if risen:
        raise Fail(f"counts rose by over {ALLOWED_RISE:.0%}: {'; '.join(risen)}; {update}")
