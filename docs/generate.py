"""The reference pages: takes config classes, command line and fault tests, gives docs/config.md, cli.md and faults.md.

Run it after changing any: `.venv/bin/python docs/generate.py`. A test fails when the pages are stale.
"""

import argparse
import ast
import sys
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from twosignal.cli import COMMANDS, parser
from twosignal.config import Config, RoleRule

HERE = Path(__file__).parent
FAULTS = HERE.parent / "tests" / "faults"


def config_page() -> str:
    """Return docs/config.md."""
    parts = [
        "# The run file\n",
        "TOML; unknown keys are errors that suggest the nearest name. `name`, one model line and one source are "
        "enough.\nOn the command line, `--set table.key=VALUE` changes one value. This page is made from "
        "`src/twosignal/config.py`.\n",
    ]
    for name, field in Config.model_fields.items():
        table = _table(field.annotation)
        heading = "[sources.NAME]" if name == "sources" else f"[{name}]"
        parts.append(f"## {heading}\n\n{_sentence(table)}\n\n{_fields(table)}")
        for inner_name, inner in table.model_fields.items():
            if isinstance(inner.annotation, type) and issubclass(inner.annotation, BaseModel):
                inner_table = inner.annotation
                parts.append(
                    f"### [{name}.{inner_name}]\n\n{_sentence(inner_table)}\n\n{_fields(inner_table)}"
                )
    parts.append(f"### supervise = {{ ... }}\n\n{_sentence(RoleRule)}\n\n{_fields(RoleRule)}")
    return "\n".join(parts)


def cli_page() -> str:
    """Return docs/cli.md."""
    parts = [
        "# Commands\n",
        "A command with `--json` prints one JSON object per result on stdout and everything else on stderr. "
        "Exit codes:\n0 done, 1 our fault, 2 wrong input, 3 halted by the gate, 4 refused by the proof, "
        "130 interrupted. This page is made from\n`src/twosignal/cli.py`.\n",
    ]
    choices = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    parts += [_command(name, choices[name]) for name in COMMANDS]
    return "\n".join(parts)


def faults_page() -> str:
    """Return docs/faults.md, read from the marks that the tests wear; nothing is run."""
    catalogue = ast.parse((FAULTS / "catalogue.py").read_text(encoding="utf-8"))
    modes, missing = (_dictionary(catalogue, name) for name in ("MODES", "NOT_INJECTED"))
    caught: dict[str, list[str]] = {mode: [] for mode in modes}
    for path in sorted(FAULTS.glob("test_*.py")):
        for mode, found in _marks(path):
            caught[mode].append(found)
    rows = [
        f"| {mode} | {what} | {'<br>'.join(dict.fromkeys(caught[mode])) or 'not injected: ' + missing[mode]} |"
        for mode, what in modes.items()
    ]
    number = sum(bool(found) for found in caught.values())
    return (
        "# Faults that the proof finds\n\n"
        f"{len(modes)} ways in which masks and packing are known to fail in training frameworks. {number} of them are\n"
        "injected by a test in `tests/faults/`, which passes only when the proof, a monitor or the reader names the\n"
        "fault by the right word before training or at step one. This page is made from those tests.\n\n"
        "| mode | what goes wrong | found as |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _dictionary(module: ast.Module, name: str) -> dict[str, str]:
    """Return a dictionary of texts that a module assigns to a name."""
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return ast.literal_eval(node.value)
    raise KeyError(name)


def _marks(path: Path) -> list[tuple[str, str]]:
    """Return mode and finding of every marked test in a file."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for mark in getattr(node, "decorator_list", []):
            if not isinstance(mark, ast.Call) or not isinstance(mark.func, ast.Name):
                continue
            words = [argument.value for argument in mark.args if isinstance(argument, ast.Constant)]
            if mark.func.id == "fault":
                found.append((words[0], f"*{words[1]}* by {' or '.join(words[2:])}"))
            elif mark.func.id == "refused":
                found.append((words[0], "refused with a sentence"))
            elif mark.func.id == "monitored":
                found.append((words[0], f"finding `{words[1]}` of the callback"))
    return found


def _command(name: str, command: argparse.ArgumentParser) -> str:
    """Return one command's section; written by hand, since the layout of --help changes with Python."""
    inner = next((a for a in command._actions if isinstance(a, argparse._SubParsersAction)), None)
    if inner is not None:
        return "\n".join(_command(f"{name} {action}", parser) for action, parser in inner.choices.items())
    shown = [action for action in command._actions if action.dest != "help"]
    usage = " ".join(f"[{_usage(a)}]" if a.option_strings or a.nargs == "?" else _usage(a) for a in shown)
    rows = [f"| `{_cell(_usage(action))}` | {_cell(action.help)} |" for action in shown]
    table = "\n".join(["| argument | meaning |", "|---|---|", *rows])
    return f"## twosignal {name}\n\n{command.description}\n\n```\ntwosignal {name} {usage}\n```\n\n{table}\n"


def _usage(action: argparse.Action) -> str:
    value = str(action.metavar or action.dest) if action.nargs != 0 else ""
    return " ".join(part for part in (*action.option_strings[-1:], value) if part)


def _fields(table: type[BaseModel]) -> str:
    rows = ["| field | values | default | meaning |", "|---|---|---|---|"]
    for name, field in table.model_fields.items():
        shown = f"`{field.alias or name}`"
        rows.append(
            f"| {shown} | {_values(field.annotation)} | {_default(field)} | {_cell(field.description)} |"
        )
    return "\n".join(rows) + "\n"


def _values(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f'`"{value}"`' for value in get_args(annotation))
    if origin in (Union, UnionType):
        return " or ".join(_values(a) for a in get_args(annotation) if a is not type(None))
    if origin is list:
        return f"list of {_values(get_args(annotation)[0])}"
    if origin is dict:
        return f"table of {_values(get_args(annotation)[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation is not RoleRule:
        return "table"
    if hasattr(annotation, "__metadata__"):
        return _values(get_args(annotation)[0])
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", RoleRule: "table"}
    return names.get(annotation, str(annotation))


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or isinstance(field.default, BaseModel):
        return ""
    value = field.default
    return f"`{str(value).lower() if isinstance(value, bool) else repr(value)}`".replace("'", '"')


def _table(annotation: Any) -> type[BaseModel]:
    """Return the table class inside a type expression such as dict[str, SourceTable]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return _table(get_args(annotation)[-1])


def _sentence(table: type[BaseModel]) -> str:
    return (table.__doc__ or "").split(": ", 1)[-1].strip().capitalize()


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def main() -> int:
    """Write all pages."""
    for name, page in pages().items():
        (HERE / name).write_text(page, encoding="utf-8")
    return 0


def pages() -> dict[str, str]:
    """Return every generated page by its name."""
    return {"config.md": config_page(), "cli.md": cli_page(), "faults.md": faults_page()}


if __name__ == "__main__":
    sys.exit(main())
