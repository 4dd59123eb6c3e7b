"""The archive and the compiled system file have the layout that the C headers give."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import archive
import pytest
import system

ROOT = Path(__file__).resolve().parent.parent.parent

# Reads both formats through the C declarations; the host has the target's byte order and sizes.
READER = r"""
#include <starina/archive.h>
#include <starina/system_file.h>
#include <stdio.h>

static uint8_t bytes[65536];

static void show_archive(void) {
    struct archive_header *header = (void *) bytes;
    struct archive_entry *entries = (void *) (header + 1);
    printf("%d %u %lu\n", header->magic == ARCHIVE_MAGIC, header->entry_count, header->size);
    for (uint32_t i = 0; i < header->entry_count; i++) {
        printf("%s %lu %lu %lu %lx\n", entries[i].path, entries[i].offset, entries[i].size, entries[i].mtime, entries[i].etag);
    }
}

static void show_system(void) {
    struct system_header *header = (void *) bytes;
    struct system_component *components = (void *) (header + 1);
    struct system_link *links = (void *) (components + header->component_count);
    struct system_device *devices = (void *) (links + header->link_count);
    const char *text = (void *) (devices + header->device_count);
    printf("%d\n", header->magic == SYSTEM_MAGIC);
    for (struct system_component *c = components; c < components + header->component_count; c++) {
        printf("%s %s %u %u %lu %u %u %u %u '%.*s'\n", c->name, c->component, c->isolation, c->restart, c->memory_limit,
               c->priority, c->stack_size, c->handle_limit, c->gives_archive, (int) c->config_size, text + c->config_offset);
    }
    for (struct system_link *l = links; l < links + header->link_count; l++) {
        printf("%u %d %s\n", l->client, (int) l->server, l->service);
    }
    for (struct system_device *d = devices; d < devices + header->device_count; d++) {
        printf("%u %u %u\n", d->component, d->device_class, d->id);
    }
}

int main(int argc, char **argv) {
    (void) !fread(bytes, 1, sizeof(bytes), stdin);
    argv[1][0] == 'a' ? show_archive() : show_system();
    return argc != 2;
}
"""


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    if shutil.which("clang-19") is None:
        pytest.skip("clang-19 is missing")
    folder = tmp_path_factory.mktemp("reader")
    (folder / "reader.c").write_text(READER)
    command = ["clang-19", "-std=c23", "-Wall", "-Werror", "-I", ROOT / "include", "-o", "reader", "reader.c"]
    subprocess.run(command, cwd=folder, check=True)

    def run(kind, content):
        return subprocess.run([folder / "reader", kind], input=content, capture_output=True).stdout.decode().splitlines()

    return run


def etag(content):
    return f"{int.from_bytes(hashlib.sha256(content).digest()[:8], 'little'):x}"


def test_archive_layout(read):
    content = archive.archive([("/b", b"", 5), ("/a/z", b"x" * 4097, 6), ("/a", b"hello", 7)])
    assert read("archive", content) == [
        "1 3 16384",
        f"/a 4096 5 7 {etag(b'hello')}",
        f"/a/z 8192 4097 6 {etag(b'x' * 4097)}",
        f"/b 16384 0 5 {etag(b'')}",
    ]
    assert len(content) == 16384 and content[4096:4101] == b"hello"


def test_archive_refuses_long_paths():
    with pytest.raises(ValueError, match="longer than 103 bytes"):
        archive.archive([("/" + "x" * 103, b"", 0)])


def test_system_layout(read, small_tree):
    nic = 'provides = ["ethernet"]\ndevices = [{ virtio = "net" }, { virtio = "rng" }]\nmemory = "2 MiB"\nconfig = { a = "text" }'
    small_tree.component("nic", nic, folder="drivers")
    small_tree.component("app", 'needs = ["ethernet", "inspect"]\narchive = true\nhandles = 9\nrestart = "on-failure"\nconfig = { port = "number", on = "number" }')
    made = small_tree.system(
        '[components.one]\ncomponent = "app"\nisolation = "kernel"\nconfig = { port = 80, on = true }\n'
        '[components.nic]\nconfig = { a = "b c" }'
    )
    assert read("system", system.compile_system(made)) == [
        "1",
        "nic nic 0 0 2097152 16 32768 64 0 'a=b c",
        "'",
        "one app 1 1 1048576 16 32768 9 1 'port=80",
        "on=1",
        "'",
        "1 0 ethernet",
        "1 -1 inspect",
        "0 1 1",
        "0 1 4",
    ]
