"""Reads TOML files strictly: an unknown key or a wrong type is an error that names the file and what to do."""

import re
import tomllib

from paths import shown
from ui import Fail, names

REQUIRED = object()
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def read_toml(path):
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise Fail(f"{shown(path)}: no such file") from None
    except RecursionError:
        raise Fail(f"{shown(path)}: not valid TOML: nested too deeply") from None
    except ValueError as error:  # TOML's, UTF-8's, and Python's own about a number of thousands of digits
        raise Fail(f"{shown(path)}: not valid TOML: {' '.join(str(error).split())}") from None


def size_in(low, high):
    """A check that turns "2 MiB" into bytes; the limits are written alike."""

    def bytes_of(value):
        match = re.fullmatch(r"([0-9]{1,12}) ([KMG]iB)", value)
        if not match:
            raise ValueError('is not a size like "64 KiB" or "2 MiB"')
        return int(match[1]) * UNITS[match[2]]

    def check(value):
        if not bytes_of(low) <= bytes_of(value) <= bytes_of(high):
            raise ValueError(f"is not in {low} to {high}")
        return bytes_of(value)

    return check


def one_of(*choices):
    def check(value):
        if value not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return value

    return check


def in_range(low, high):
    def check(value):
        if not low <= value <= high:
            raise ValueError(f"is not in {low} to {high}")
        return value

    return check


def strings(value):
    if not all(isinstance(item, str) for item in value):
        raise ValueError("is not a list of strings")
    if len(set(value)) != len(value):
        raise ValueError("names something twice")
    return value


def check_table(where, table, fields):
    """Values of a table by a description: {key: (type, default or REQUIRED, check or None)}."""
    unknown = set(table) - set(fields)
    if unknown:
        raise Fail(f"{where}: unknown key '{min(unknown)}'; known are {names(fields)}")
    return {key: field(where, table, key, *description) for key, description in fields.items()}


def field(where, table, key, kind, default, check):
    if key not in table:
        if default is REQUIRED:
            raise Fail(f"{where}: '{key}' is missing; add it")
        return default
    value = table[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Fail(f"{where}: '{key}' must be a {KIND_NAMES[kind]}")
    try:
        return check(value) if check else value
    except ValueError as error:
        raise Fail(f"{where}: '{key}' {error}") from None


KIND_NAMES = {str: "string", int: "whole number", bool: "true or false", list: "list", dict: "table"}
