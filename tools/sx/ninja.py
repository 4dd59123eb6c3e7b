"""Writes Ninja files."""


def escape(path):
    return str(path).replace("$", "$$").replace(" ", "$ ").replace(":", "$:")


def paths(items):
    return " ".join(escape(item) for item in items)


class Writer:
    def __init__(self, folder):
        self.lines = ["# Written by sx from the manifests. Run `sx build`.", "ninja_required_version = 1.10"]
        self.lines += [f"builddir = {escape(folder)}", ""]  # where Ninja keeps its own log

    def rule(self, name, command, description, **settings):
        self.lines += [f"rule {name}", f"  command = {command}", f"  description = {description}"]
        self.lines += [f"  {key} = {value}" for key, value in settings.items()]
        self.lines.append("")

    def build(self, outputs, rule, inputs, implicit=(), order_only=(), **variables):
        line = f"build {paths(outputs)}: {rule} {paths(inputs)}"
        if implicit:
            line += f" | {paths(implicit)}"
        if order_only:
            line += f" || {paths(order_only)}"
        self.lines.append(line)
        self.lines += [f"  {key} = {value}" for key, value in variables.items()]

    def text(self):
        return "\n".join(self.lines) + "\n"
