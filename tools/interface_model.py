"""What an interface file says, checked: interfaces, messages, fields."""

import re
import tomllib
import zlib
from dataclasses import dataclass, field

NUMBERS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i32": 4, "i64": 8, "bool": 1}
HANDLES = ("channel", "folio", "interrupt", "process")
CLASSES = {"call": "MESSAGE_CALL", "send": "MESSAGE_SEND", "event": "MESSAGE_EVENT"}
DATA_MAX = 1024  # MESSAGE_DATA_MAX
HANDLES_MAX = 4  # MESSAGE_HANDLES_MAX
LENGTH_SIZE = 2  # of the length before a byte string
NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


class InterfaceError(Exception):
    """The interface file breaks a rule; the text says which and where."""


@dataclass
class Field:
    name: str
    type: str
    doc: str = ""
    max: int = 0  # bytes only

    @property
    def c_type(self):
        """With the trailing space."""
        if self.type in HANDLES or self.type == "bytes":
            return self.type + "_t "
        if self.type == "bool":
            return "bool "
        return {"u": "uint", "i": "int"}[self.type[0]] + self.type[1:] + "_t "


@dataclass
class Body:
    """The fields of one direction: what a struct holds and a message carries."""

    struct: str  # "foo_put", "foo_put_reply"
    fields: list[Field] = field(default_factory=list)

    @property
    def numbers(self):
        return [f for f in self.fields if f.type in NUMBERS]

    @property
    def strings(self):
        return [f for f in self.fields if f.type == "bytes"]

    @property
    def handles(self):
        return [f for f in self.fields if f.type in HANDLES]

    @property
    def fixed_size(self):
        """Least bytes of data: numbers and the strings' lengths."""
        return sum(NUMBERS[f.type] for f in self.numbers) + LENGTH_SIZE * len(self.strings)

    @property
    def size_max(self):
        return self.fixed_size + sum(f.max for f in self.strings)

    def max_name(self, string):
        return f"{self.struct}_{string.name}_max".upper()


@dataclass
class Message:
    name: str
    kind: str  # a key of CLASSES
    doc: str
    number: int
    args: Body
    reply: Body
    errors: dict[str, str]

    @property
    def constant(self):
        return self.args.struct.upper()


@dataclass
class Interface:
    name: str
    doc: str
    messages: list[Message]

    @property
    def number(self):
        """Upper half of every kind: from the name, so that files need no registry. Never 0."""
        return zlib.crc32(self.name.encode()) % 0xFFFF + 1

    def of(self, kind):
        return [m for m in self.messages if m.kind == kind]

    @property
    def reply_max(self):
        return max((m.reply.size_max for m in self.of("call")), default=0)


def require(condition, where, text):
    if not condition:
        raise InterfaceError(f"{where}: {text}")


def parse_field(where, name, table):
    require(NAME.match(name), where, f"'{name}' is not a name in snake_case")
    where = f"{where}.{name}"
    require(isinstance(table, dict) and "type" in table, where, "needs { type = … }")
    unknown = set(table) - {"type", "doc", "max"}
    require(not unknown, where, f"unknown key '{min(unknown, default='')}'")
    kind = table["type"]
    require(isinstance(kind, str) and isinstance(table.get("doc", ""), str), where, "type and doc are strings")
    require(kind in NUMBERS or kind in HANDLES or kind == "bytes", where, f"unknown type '{kind}'")
    limit = table.get("max", 0)
    require((kind == "bytes") == ("max" in table), where, "max goes with type bytes, and bytes with max")
    require(isinstance(limit, int) and not isinstance(limit, bool) and 0 <= limit <= DATA_MAX, where, f"max is at most {DATA_MAX}")
    return Field(name, kind, table.get("doc", ""), limit)


def parse_body(where, struct, table):
    require(isinstance(table, dict), where, "is not a table of fields")
    body = Body(struct, [parse_field(where, name, value) for name, value in table.items()])
    require(body.size_max <= DATA_MAX, where, f"up to {body.size_max} bytes: a message holds {DATA_MAX}")
    require(len(body.handles) <= HANDLES_MAX, where, f"a message holds {HANDLES_MAX} handles")
    return body


def parse_message(path, interface, number, name, table):
    where = f"{path}: [{name}]"
    require(NAME.match(name) and not name.endswith("_reply"), where, "not a name for a message")
    require(name not in ("interface", "receive", "attach", "serve", "client", "peer"), where, "this name is taken")
    require(isinstance(table, dict), where, "is not a message")
    unknown = set(table) - {"doc", "kind", "args", "reply", "errors"}
    require(not unknown, where, f"unknown key '{min(unknown, default='')}'")
    kind, errors = table.get("kind", "call"), table.get("errors", {})
    require(isinstance(kind, str) and kind in CLASSES, where, f"kind is one of {', '.join(CLASSES)}")
    require(kind == "call" or not table.keys() & {"reply", "errors"}, where, f"kind {kind} has no reply")
    require(isinstance(table.get("doc"), str), where, "doc is missing")
    is_texts = isinstance(errors, dict) and all(isinstance(text, str) for text in errors.values())
    require(is_texts, where, "errors is not a table of texts")
    struct = f"{interface}_{name}"
    args = parse_body(f"{where} args", struct, table.get("args", {}))
    reply = parse_body(f"{where} reply", f"{struct}_reply", table.get("reply", {}))
    return Message(name, kind, table["doc"], number, args, reply, errors)


def load(path):
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InterfaceError(f"{path}: {' '.join(str(error).split())}") from error
    name = path.stem
    require(NAME.match(name), path, "the file's name is not in snake_case")
    require(isinstance(table.get("doc"), str), path, "doc is missing")
    doc = table.pop("doc")
    messages = [parse_message(path, name, i, key, value) for i, (key, value) in enumerate(table.items(), 1)]
    return Interface(name, doc, messages)
