"""What sx says to people: one-line errors, and progress that stays on one line on a terminal."""

import sys


class Fail(Exception):
    """Ends the command with this one line, which says what to do."""

    def __str__(self):
        return "".join(character if character.isprintable() else "?" for character in super().__str__())


def say(text):
    print(text, flush=True)


def progress(text):
    """Shows a passing state on stderr: overwritten by the next one on a terminal, a plain line elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text[:100]}")
    else:
        sys.stderr.write(text + "\n")
    sys.stderr.flush()


def progress_end():
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
        sys.stderr.flush()


def names(items):
    """A list for a message: sorted, or "none"."""
    return ", ".join(sorted(items)) or "none"
