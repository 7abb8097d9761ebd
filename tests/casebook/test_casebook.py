"""Every case of the casebook: its scenario is made, public commands are asked, and the diagnosis must be the one expected."""

import importlib
import json
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.casebook.expectation import missed
from tests.casebook.materials import make
from tests.casebook.saved import plant_zombie
from twosignal.cli import main

CASES = sorted((Path(__file__).parent / "cases").glob("*.toml"))
EXERCISES = 26
FIXTURES = {"second-story", "twelve-million", "window-112k", "zombie-arm"}


def read(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return case


def test_every_exercise_and_every_fixture_has_a_case() -> None:
    cases = [read(path) for path in CASES]
    assert sorted(case["exercise"] for case in cases if "exercise" in case) == list(range(1, EXERCISES + 1))
    assert {case["fixture"] for case in cases if "fixture" in case} == FIXTURES
    for path, case in zip(CASES, cases, strict=True):
        assert case["diagnosis"], path
        assert case.get("command") or case.get("call"), path


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_case(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = read(path)
    monkeypatch.chdir(tmp_path)
    words = make(case, tmp_path)
    capsys.readouterr()
    for asked in case.get("command", []):
        if "plant" in asked:
            words["planted"] = plant_zombie(words["runs"])
        line = [part.format_map(words) for part in shlex.split(asked["line"])]
        code = main(line)
        ended = capsys.readouterr()
        assert code == asked.get("exit", 0), f"{asked['line']} ended with {code}: {ended.err}"
        out = json.loads(ended.out) if "--json" in line and ended.out else ended.out
        check({"out": out, "err": " ".join(ended.err.split())}, asked["expect"], where=asked["line"])
    for asked in case.get("call", []):
        check(called(asked, words), asked["expect"], where=asked["name"])


def called(asked: Mapping[str, Any], words: Mapping[str, str]) -> object:
    """Call a public function, "package.module:name", and return what it gives."""
    module, _, name = asked["name"].partition(":")
    value: Any = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    if callable(value):
        given = [one.format_map(words) if isinstance(one, str) else one for one in asked.get("arguments", [])]
        value = value(*given, **asked.get("named", {}))
    return [getattr(value, name) for name in asked["pick"]] if "pick" in asked else value


def check(value: object, expectations: list[Mapping[str, Any]], *, where: str) -> None:
    assert expectations, f"{where}: a case that cannot fail"
    complaints = [complaint for one in expectations if (complaint := missed(value, one))]
    assert not complaints, f"{where}: " + "; ".join(complaints)
