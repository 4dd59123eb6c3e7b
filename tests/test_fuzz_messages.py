"""A short run of the decoders' fuzzer; longer ones by hand: tests/fuzz/README.md."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 200_000


def test_decoders_survive_arbitrary_messages(tmp_path):
    interfaces = sorted((ROOT / "interfaces").glob("*.toml"))
    python = [sys.executable]
    subprocess.run([*python, ROOT / "tools/interfacegen.py", "--out", tmp_path, *interfaces], check=True)
    definition = ROOT / "include/starina/syscalls.toml"
    subprocess.run([*python, ROOT / "tools/syscallgen.py", "--out", tmp_path, definition], check=True)
    target = tmp_path / "fuzz_messages.c"
    made = subprocess.run([*python, ROOT / "tests/fuzz/fuzz_messages.py", *interfaces], check=True, capture_output=True)
    target.write_bytes(made.stdout)
    program = tmp_path / "fuzz_messages"
    flags = ["-std=c23", "-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    folders = [f"-I{folder}" for folder in (ROOT / "include", ROOT / "lib", tmp_path)]
    sources = [target, ROOT / "lib/starina/bytes.c"]
    subprocess.run(["clang-19", *flags, *folders, "-o", program, *sources], check=True)
    run = subprocess.run([program, f"-runs={RUNS}", "-seed=1", "-max_len=1026"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
