#!/usr/bin/env python3
"""Compiles interface files to C: typed messages with checked decoding, client stubs, a server's dispatch.

    interfacegen.py --out DIR [--docs DIR] interfaces/foo.toml...

writes DIR/foo.h, DIR/foo.client.h and DIR/foo.server.h for each. docs/framework.md says what they offer.
"""

import argparse
import sys
from pathlib import Path

from interface_model import InterfaceError, load
import interface_docs
import interface_messages
import interface_sides


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def check_numbers(interfaces):
    numbers = {}
    for interface in interfaces:
        other = numbers.setdefault(interface.number, interface.name)
        if other != interface.name:
            raise InterfaceError(f"{interface.name}: its number is that of '{other}' too: rename it")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("definitions", nargs="+", type=Path, metavar="interfaces/NAME.toml")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the headers there")
    parser.add_argument("--docs", type=Path, metavar="DIR", help="write a page per interface there")
    options = parser.parse_args()
    try:
        interfaces = [load(path) for path in options.definitions]
        check_numbers(interfaces)
    except InterfaceError as error:
        sys.exit(str(error))
    for interface in interfaces:
        if options.out:
            write(options.out / f"{interface.name}.h", interface_messages.header(interface))
            write(options.out / f"{interface.name}.client.h", interface_sides.client_header(interface))
            write(options.out / f"{interface.name}.server.h", interface_sides.server_header(interface))
    if options.docs:
        for name, text in interface_docs.pages(interfaces).items():
            write(options.docs / name, text)


if __name__ == "__main__":
    main()
