"""sx build on a small tree of its own: what is built, what is built again, and how mistakes are told."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

FILES = {
    "lib/starina/component.h": "#pragma once\n#include <starina/syscalls.h>\nchannel_t service_channel(const char *name);\n",
    "lib/starina/start.c": """#include <starina/component.h>
#include <string.h>
uintptr_t __stack_chk_guard;
void __stack_chk_fail(void);
void __stack_chk_fail(void) {
}
size_t run(void);
[[gnu::visibility("default")]] void _start(void);
void _start(void) {
    run();
}
channel_t service_channel(const char *name) {
    return (channel_t) {(handle_t) strlen(name)};
}
""",
    "servers/init/component.toml": 'doc = "d"\nprovides = ["inspect"]\n',
    "servers/init/init.c": "#include <stddef.h>\nsize_t run(void);\nsize_t run(void) {\n    return 1;\n}\n",
    "apps/hello/component.toml": 'doc = "d"\nneeds = ["inspect"]\n',
    "apps/hello/hello.c": '#include "needs.h"\nsize_t run(void);\nsize_t run(void) {\n    return need_inspect().handle;\n}\n',
    "systems/web.toml": 'doc = "d"\n[components.hello]\n[files]\n"/site" = "site"\n',
    "site/index.html": "hello\n",
    "kernel/main.c": "extern const char archive_start[];\nchar start(void);\nchar start(void) {\n    return archive_start[0];\n}\n",
    "kernel/arch/x86_64/kernel.ld": """ENTRY(start)
SECTIONS {
    . = 0xffffffff80100000;
    .text : { *(.text*) }
    .rodata : { *(.rodata*) }
    .data : { *(.data*) *(.bss*) }
    .archive : { archive_start = .; *(.archive) archive_end = .; }
}
""",
}


class Built:
    def __init__(self, root):
        self.root = root

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def sx(self, *arguments):
        return subprocess.run([self.root / "sx", *arguments], capture_output=True, text=True)

    def steps(self):
        """What a build does, in its own words."""
        result = self.sx("build")
        assert result.returncode == 0, result.stdout + result.stderr
        return {line.split("] ")[1] for line in result.stdout.splitlines() if line.startswith("[")}


IMAGE_STEPS = {"Packing build/web/archive.bin", "Compiling build/web/archive.S", "Linking build/web/starina.elf"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    if shutil.which("ld.lld-19") is None:
        pytest.skip("lld-19 is missing")
    built = Built(tmp_path_factory.mktemp("tree"))
    for name in ("tools", "include", "interfaces", "third_party"):
        shutil.copytree(ROOT / name, built.root / name, ignore=shutil.ignore_patterns("__pycache__", "*_test.c"))
    shutil.copy(ROOT / "sx", built.root)
    for path, text in FILES.items():
        built.write(path, text)
    built.steps()
    return built


def test_nothing_changed_takes_under_a_second(tree):
    began = time.monotonic()
    assert "no work to do" in tree.sx("build").stdout
    assert time.monotonic() - began < 1


def test_changed_source_rebuilds_its_component_and_the_image_alone(tree):
    (tree.root / "apps/hello/hello.c").touch()
    own = {"Compiling apps/hello/hello.c", "Linking build/components/hello.elf", "Stripping build/components/hello.elf"}
    assert tree.steps() == own | IMAGE_STEPS


def test_isolation_changes_the_image_and_no_component(tree):
    tree.write("systems/web.toml", FILES["systems/web.toml"].replace("hello]", 'hello]\nisolation = "kernel"'))
    assert tree.steps() == IMAGE_STEPS


def test_archive_does_not_move_the_kernel(tree):
    image = tree.root / "build/web/starina.elf"
    nm = lambda: subprocess.run(["llvm-nm-19", image], capture_output=True, text=True).stdout
    before = nm()
    tree.write("site/large.bin", "x" * 100000)
    tree.steps()
    without_end = lambda text: [line for line in text.splitlines() if "archive_end" not in line]
    assert nm() != before and without_end(nm()) == without_end(before)


def test_new_file_is_compiled(tree):
    tree.write("apps/hello/more.c", "int more;\n")
    assert "Compiling apps/hello/more.c" in tree.steps()


def test_warnings_are_errors(tree):
    good = (tree.root / "apps/hello/hello.c").read_text()
    tree.write("apps/hello/hello.c", good + "static int unused;\n")
    result = tree.sx("build")
    tree.write("apps/hello/hello.c", good)
    assert result.returncode == 1 and "unused" in result.stdout
    assert result.stderr == "sx: the build failed; the first error above says where\n"


def test_large_stack_frame_in_the_kernel_is_an_error(tree):
    large = "void large(int at);\nvoid large(int at) {\n    volatile char bytes[3000];\n    bytes[at] = 1;\n}\n"
    tree.write("kernel/large.c", large)
    result = tree.sx("build")
    (tree.root / "kernel/large.c").unlink()
    assert result.returncode == 1 and "stack frame size" in result.stdout


def test_broken_manifest_is_one_line(tree):
    tree.write("apps/hello/component.toml", "doc = 1\n")
    result = tree.sx("build")
    tree.write("apps/hello/component.toml", FILES["apps/hello/component.toml"])
    assert result.returncode == 1
    assert result.stderr == "sx: apps/hello/component.toml: 'doc' must be a string\n"


def test_broken_interface_is_one_line(tree):
    good = (tree.root / "interfaces/echo.toml").read_text()
    tree.write("interfaces/echo.toml", good + "\n[more]\ndoc = 1\n")
    result = tree.sx("build")
    tree.write("interfaces/echo.toml", good)
    assert result.returncode == 1
    assert result.stderr == "sx: interfaces/echo.toml: [more]: doc is missing\n" and result.stdout == ""


def test_compile_commands_are_for_editors(tree):
    commands = (tree.root / "compile_commands.json").read_text()
    assert "apps/hello/hello.c" in commands and "kernel/main.c" in commands


def test_clean_removes_what_was_built(tree):
    assert tree.sx("clean").stdout == "Removed build.\n"
    assert not (tree.root / "build").exists() and not (tree.root / "compile_commands.json").exists()
