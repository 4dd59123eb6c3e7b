"""Writes an initramfs (cpio, "newc": Linux's Documentation/driver-api/early-userspace/buffer-format.rst). Needs no root."""

import stat

MAGIC = "070701"
TRAILER = "TRAILER!!!"


def padded(data):
    return data + b"\0" * (-len(data) % 4)


def entry(number, path, mode, content=b"", device=(0, 0)):
    name = path.encode() + b"\0"
    values = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
    head = MAGIC + "".join(f"{value:08x}" for value in values)
    return padded(head.encode() + name) + padded(content)


class Initramfs:
    """Files, links, folders and devices, in the order in which they are added; parents are added as needed."""

    def __init__(self):
        self.parts, self.folders = [], set()

    def add(self, path, mode, content=b"", device=(0, 0)):
        parent = path.rpartition("/")[0]
        if parent:
            self.folder(parent)
        self.parts.append(entry(len(self.parts) + 1, path, mode, content, device))

    def folder(self, path):
        if path not in self.folders:
            self.folders.add(path)
            self.add(path, stat.S_IFDIR | 0o755)

    def file(self, path, content, mode=0o644):
        self.add(path, stat.S_IFREG | mode, content)

    def program(self, path, source):
        self.file(path, source.read_bytes(), 0o755)

    def link(self, path, target):
        self.add(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, major, minor):
        self.add(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def bytes(self):
        return b"".join([*self.parts, entry(0, TRAILER, 0)])
