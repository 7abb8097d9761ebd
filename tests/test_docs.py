"""The documentation is true: links resolve, reference pages are fresh, every command and decision is named."""

import ast
import re
import runpy
import shlex
import tomllib
from pathlib import Path

import pytest

from twosignal.cli import COMMANDS, parser
from twosignal.config import Config
from twosignal.runfile import load_config

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
REFERENCE = re.compile(r"`(src/[\w/.]+\.py)(?::(\w+))?`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
FENCE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_references_resolve(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
    for file, symbol in REFERENCE.findall(text):
        path = ROOT / file
        assert path.is_file(), f"{page.name} names {file}"
        if symbol:
            names = {getattr(node, "name", "") for node in ast.parse(path.read_text(encoding="utf-8")).body}
            assert symbol in names, f"{page.name} names {symbol} in {file}"


def test_the_tour_names_every_room() -> None:
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    rooms = {p.name for p in (ROOT / "src" / "twosignal").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert len(REFERENCE.findall(tour)) > 20
    assert {room for room in rooms if f"twosignal/{room}/" not in tour} == set()


def test_reference_pages_are_fresh() -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
    for name, page in pages.items():
        stored = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert stored == page, f"docs/{name} is stale: run python docs/generate.py"


def test_every_config_field_is_documented() -> None:
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    for table in Config.model_fields:
        assert f"[{table}" in text
    assert "|  |\n" not in text, "a field has no meaning"


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert pages
    assert all(page.name in listed for page in pages)


def test_commands_in_the_readme_parse() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [
        line.split("#")[0]
        for language, block in FENCE.findall(readme)
        if language == "sh"
        for line in block.splitlines()
        if line.startswith("twosignal ")
    ]
    assert len(lines) >= 5
    for line in lines:
        assert parser().parse_args(shlex.split(line)[1:]).module.partition("_")[0] in COMMANDS


def test_run_files_in_the_readme_and_examples_load(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    texts = [block for language, block in FENCE.findall(readme) if language == "toml"]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.toml")]
    texts.append((ROOT / "src" / "twosignal" / "commands" / "demo.toml").read_text(encoding="utf-8"))
    assert len(texts) >= 3
    whole = next(text for text in texts if "run" in tomllib.loads(text))
    for text in texts:
        is_whole = "run" in tomllib.loads(text)
        path = tmp_path / "run.toml"
        path.write_text(text if is_whole else f"{whole}\n{text}", encoding="utf-8")
        load_config(path)


def test_the_changelog_speaks_of_this_version() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
