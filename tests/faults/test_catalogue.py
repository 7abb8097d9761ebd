"""The catalogue is whole: every mode is injected by a test or says why not, and at least 72 of the 80 are injected."""

import ast
from pathlib import Path

from tests.faults.catalogue import MODES, NOT_INJECTED

HERE = Path(__file__).parent


def injected() -> set[str]:
    marks = [
        node
        for path in HERE.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("fault", "refused", "monitored")
    ]
    return {str(ast.literal_eval(mark.args[0])) for mark in marks}


def test_there_are_eighty_modes() -> None:
    counts = {letter: sum(mode[0] == letter for mode in MODES) for letter in "ABCDEF"}
    assert counts == {"A": 24, "B": 9, "C": 15, "D": 15, "E": 10, "F": 7}


def test_every_mode_is_injected_or_says_why_not() -> None:
    assert injected() <= set(MODES)
    assert injected() | set(NOT_INJECTED) == set(MODES)
    assert not injected() & set(NOT_INJECTED)


def test_at_least_72_are_injected() -> None:
    assert len(injected()) >= 72
