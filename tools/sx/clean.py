"""sx clean: removes what was built."""

import shutil

from paths import BUILD, ROOT, cache, shown
from ui import say


def add_arguments(parser):
    parser.add_argument("--all", action="store_true", help="also the downloads and foreign libraries that all checkouts share")


def main(options):
    for folder in [BUILD, *([cache()] if options.all else [])]:
        if folder.is_dir():
            shutil.rmtree(folder)
            say(f"Removed {shown(folder)}.")
    (ROOT / "compile_commands.json").unlink(missing_ok=True)
