"""Makes the image's read-only archive (include/starina/archive.h) from a list of paths. Called by Ninja.

    archive.py OUT LIST      LIST: lines of ARCHIVE_PATH<TAB>FILE
"""

import hashlib
import struct
import sys
from pathlib import Path

MAGIC = 0x31484352414E5453
PAGE = 4096
PATH_SIZE = 104
HEADER = struct.Struct("<QIIQ")
ENTRY = struct.Struct(f"<{PATH_SIZE}sQQQQ")


def aligned(number):
    return -(-number // PAGE) * PAGE


def archive(entries):
    """Bytes of the archive that holds [(path, content, mtime)]."""
    entries = sorted((path.encode(), content, mtime) for path, content, mtime in entries)
    offset = aligned(HEADER.size + ENTRY.size * len(entries))
    table, body = [], []
    for path, content, mtime in entries:
        if len(path) >= PATH_SIZE:
            raise ValueError(f"{path.decode()}: longer than {PATH_SIZE - 1} bytes; shorten the path")
        etag = int.from_bytes(hashlib.sha256(content).digest()[:8], "little")
        table.append(ENTRY.pack(path, offset, len(content), mtime, etag))
        body.append(content.ljust(aligned(len(content)), b"\0"))
        offset += aligned(len(content))
    head = HEADER.pack(MAGIC, len(entries), 0, offset) + b"".join(table)
    return b"".join([head.ljust(aligned(len(head)), b"\0"), *body])


def main(out, listing):
    entries = []
    for line in Path(listing).read_text().splitlines():
        path, _, source = line.partition("\t")
        source = Path(source)
        entries.append((path, source.read_bytes(), int(source.stat().st_mtime)))
    try:
        Path(out).write_bytes(archive(entries))
    except ValueError as error:
        sys.exit(f"sx: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
