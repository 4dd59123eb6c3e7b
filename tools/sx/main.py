"""sx: Starina's developer command. Picks the subcommand and turns failures into one line."""

import argparse
import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ui import Fail, progress_end  # noqa: E402

COMMANDS = {
    "run": "build a system and run it in a virtual machine",
    "build": "build systems and components",
    "test": "run the tests",
    "bench": "measure it, beside Linux",
    "clean": "remove what was built",
    "doctor": "check this machine, and say how to fix what is missing",
    "tcb": "count the lines of code that have to be trusted",
    "symbolize": "name functions and lines in a saved console log",
}


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Fail(f"{message}; see: {self.prog} --help")


def parse(arguments):
    parser = Parser(prog="sx", description="Builds, runs and tests Starina.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((item for item in arguments if not item.startswith("-")), None)
    for name, text in COMMANDS.items():
        subparser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == chosen:
            importlib.import_module(name).add_arguments(subparser)
    return parser.parse_args(arguments)


def main():
    try:
        options = parse(sys.argv[1:] or ["--help"])
        return importlib.import_module(options.command).main(options)
    except Fail as failure:
        progress_end()
        print(f"sx: {failure}", file=sys.stderr)
    except KeyboardInterrupt:
        progress_end()
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"sx: {error.filename or ''}: {error.strerror}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
