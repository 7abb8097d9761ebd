"""Takes paths, folders and globs, checks which files they mean and what is said where they mean none."""

import os
from pathlib import Path

import pytest

from twosignal.errors import SourceError
from twosignal.text.paths import find_files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "data/b.jsonl",
        "data/a.jsonl",
        "data/deep/c.txt",
        "data/deep/.hidden.txt",
        "data/notes.csv",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")
    return tmp_path


def shown(pattern: str, folder: Path) -> list[str]:
    return [file.shown for file in find_files(pattern, folder=folder, source="s")]


def refusal(pattern: str, folder: Path) -> str:
    with pytest.raises(SourceError) as caught:
        find_files(pattern, folder=folder, source="s")
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_relative_path_begins_at_the_folder(tree: Path) -> None:
    (file,) = find_files("data/a.jsonl", folder=tree, source="s")
    assert file.shown == "data/a.jsonl"
    assert file.path == tree / "data" / "a.jsonl"


def test_an_absolute_path_stays_as_it_is(tree: Path) -> None:
    assert shown(str(tree / "data/a.jsonl"), Path("/")) == [str(tree / "data/a.jsonl")]


def test_a_tilde_is_the_home_folder(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree))
    (file,) = find_files("~/data/a.jsonl", folder=Path("/"), source="s")
    assert file.path == tree / "data/a.jsonl"


def test_globs_give_files_in_the_order_of_their_names(tree: Path) -> None:
    assert shown("data/*.jsonl", tree) == ["data/a.jsonl", "data/b.jsonl"]
    assert shown("data/[b].jsonl", tree) == ["data/b.jsonl"]


def test_two_stars_reach_into_folders_below(tree: Path) -> None:
    assert shown("**/*.txt", tree) == ["data/deep/c.txt"]


def test_a_folder_gives_every_supported_file_beneath_it(tree: Path) -> None:
    assert shown("data", tree) == ["data/a.jsonl", "data/b.jsonl", "data/deep/c.txt"]
    assert shown("data/", tree) == ["data/a.jsonl", "data/b.jsonl", "data/deep/c.txt"]


def test_a_name_with_brackets_that_exists_is_no_pattern(tree: Path) -> None:
    (tree / "a[1].txt").write_text("x")
    assert shown("a[1].txt", tree) == ["a[1].txt"]


def test_the_suffix_looks_through_gzip(tree: Path) -> None:
    (tree / "a.JSONL.gz").write_bytes(b"")
    (file,) = find_files("a.JSONL.gz", folder=tree, source="s")
    assert (file.suffix, file.is_compressed, file.is_text) == (".jsonl", True, False)


def test_a_missing_file_is_named_with_near_names(tree: Path) -> None:
    message = refusal("data/aa.jsonl", tree)
    assert message.startswith('data/aa.jsonl: source "s": no such file')
    assert f"near names in {tree / 'data'}: a.jsonl" in message
    assert f"Correct sources.s.path; relative paths begin at {tree}." in message


def test_a_missing_folder_is_named_with_near_names(tree: Path) -> None:
    assert f"near names in {tree}: data" in refusal("dta/a.jsonl", tree)


def test_a_missing_file_unlike_any_lists_what_is_there(tree: Path) -> None:
    for number in range(6):
        (tree / f"{number}.txt").write_text("x")
    assert f"in {tree}: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more" in refusal("zzzzzzzz", tree)


def test_a_missing_file_in_an_empty_folder_says_so(tmp_path: Path) -> None:
    assert f"nothing in {tmp_path}" in refusal("a.txt", tmp_path)


def test_a_glob_that_matches_nothing_is_named(tree: Path) -> None:
    message = refusal("data/*.parquet", tree)
    assert message.startswith('data/*.parquet: source "s": the pattern matches no file')
    assert "a.jsonl" in message


def test_a_file_of_unknown_kind_is_refused(tree: Path) -> None:
    for pattern in ("data/notes.csv", "data/*"):
        message = refusal(pattern, tree)
        assert 'data/notes.csv: source "s": a file of unknown kind (found the name "notes.csv"' in message
        assert ".jsonl, .json, .parquet, .txt" in message


def test_compressed_parquet_is_refused(tree: Path) -> None:
    (tree / "a.parquet.gz").write_bytes(b"")
    assert "all but .parquet also with .gz" in refusal("a.parquet.gz", tree)


def test_a_folder_without_supported_files_is_refused(tree: Path) -> None:
    (tree / "empty").mkdir()
    message = refusal("empty", tree)
    assert 'empty: source "s": the folder holds no file that can be read' in message
    assert ".jsonl" in message


def test_a_folder_that_may_not_be_entered_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exists(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", exists)
    message = refusal("data/a.jsonl", tree)
    assert message.startswith('data/a.jsonl: source "s": the path cannot be followed: permission denied')
    assert f"a closed folder at {tree / 'data/a.jsonl'}" in message


def test_an_unreadable_folder_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(_: object) -> None:
        raise PermissionError(13, "Permission denied", "data")

    monkeypatch.setattr(os, "scandir", scandir)
    assert "data: the folder cannot be read (found Permission denied)" in refusal("data", tree)
