"""Bundles and grades are kept as they came: what was changed afterwards is named, and bad files leave nothing behind."""

import json
from pathlib import Path

import pytest

from tests.audits.grading.conftest import KNOWN, Sealed, by_sort, drawn, grade_all
from twosignal.audits.grading.bundle import seal, sha256
from twosignal.audits.grading.folder import (
    bundles,
    choose_bundle,
    import_grades,
    publish,
    read_bundle,
    read_graded,
    read_ledger,
)
from twosignal.errors import InputError, RunError


def give(run: Path, sealed: Sealed, *names: str, partial: bool = False) -> None:
    files = [(f"{n}.json", grade_all(sealed[1], by_sort(7), grader=n).to_bytes()) for n in names]
    import_grades(run, files, partial=partial)


def kinds(run: Path) -> list[str]:
    return [line["kind"] for line in read_ledger(run)]


def test_what_is_published_comes_back(run_folder: Path, sealed: Sealed) -> None:
    bundle, key = sealed
    assert bundles(run_folder) == [bundle.bundle]
    assert read_bundle(run_folder, bundle.bundle) == bundle
    give(run_folder, sealed, "Ada", "Ben")
    graded = read_graded(run_folder, bundle.bundle)
    assert (graded.key, [one.grader for one in graded.grades]) == (key, ["Ada", "Ben"])


def test_the_keys_hash_is_in_the_records_and_the_key_is_its_owners(run_folder: Path, sealed: Sealed) -> None:
    line = read_ledger(run_folder)[0]
    key = run_folder / "grading" / sealed[0].bundle / "key.json"
    assert line["key_sha256"] == sealed[0].key_sha256 == sha256(key.read_bytes())
    assert line["run"] == "f" * 32
    assert key.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["key.json", "bundle.json", "grades-0001.json"])
def test_a_file_changed_afterwards_is_named(run_folder: Path, sealed: Sealed, name: str) -> None:
    give(run_folder, sealed, "Ada")
    place = run_folder / "grading" / sealed[0].bundle / name
    place.write_bytes(place.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(RunError, match=f"{name}: this file was changed after it was published"):
        read_graded(run_folder, sealed[0].bundle)
    place.unlink()
    with pytest.raises(RunError, match=f"{name}: a file of the grading cannot be read"):
        read_graded(run_folder, sealed[0].bundle)


def test_a_changed_ledger_is_named_with_its_line(run_folder: Path, sealed: Sealed) -> None:
    give(run_folder, sealed, "Ada", "Ben")
    path = run_folder / "grading" / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"Ada", b"Eve") + lines[2])
    with pytest.raises(RunError, match=r"ledger.jsonl:2: the ledger was changed here"):
        read_ledger(run_folder)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(RunError, match=r"ledger.jsonl:2: the ledger was changed here"):
        read_ledger(run_folder)


def test_a_torn_last_line_is_not_there_and_is_mended(run_folder: Path, sealed: Sealed) -> None:
    path = run_folder / "grading" / "ledger.jsonl"
    with path.open("ab") as file:
        file.write(b'{"kind": "import", "bun')
    assert kinds(run_folder) == ["export"]
    give(run_folder, sealed, "Ada")
    assert kinds(run_folder) == ["export", "import"]


def test_a_grader_counts_once(run_folder: Path, sealed: Sealed) -> None:
    give(run_folder, sealed, "Ada")
    with pytest.raises(InputError, match=r"ada.json:1: this grader has graded .* \(found ada, in this run;"):
        give(run_folder, sealed, "Ben", "ada")
    with pytest.raises(InputError, match=r"BEN.json:1: this grader has graded .* \(found BEN, in Ben.json;"):
        give(run_folder, sealed, "Ben", "BEN")
    assert kinds(run_folder) == ["export", "import"]
    assert len(list((run_folder / "grading" / sealed[0].bundle).glob("grades-*"))) == 1


def test_grades_of_another_bundle_are_refused(run_folder: Path) -> None:
    other = seal(drawn(), KNOWN)
    with pytest.raises(
        InputError, match=f"Ada.json:1: these are grades of another bundle .found {other[0].bundle}"
    ):
        give(run_folder, other, "Ada")


def test_unknown_and_missing_items_are_named(run_folder: Path, sealed: Sealed) -> None:
    data = grade_all(sealed[1], by_sort(7)).to_bytes()
    lines = data.splitlines(keepends=True)
    wrong = b"".join([*lines[:3], lines[3].replace(b'"item": "', b'"item": "x'), *lines[4:]])
    with pytest.raises(InputError, match=r"a.json:4: the bundle has no such item \(found x"):
        import_grades(run_folder, [("a.json", wrong)], partial=True)
    short = b"".join([*lines[:1], *lines[3:]])
    gone = sealed[1].items[0].item
    with pytest.raises(
        InputError, match=rf"2 of 22 items were not graded \(found no grade for {gone}, .*--partial"
    ):
        import_grades(run_folder, [("a.json", short)])
    assert kinds(run_folder) == ["export"]
    import_grades(run_folder, [("a.json", short)], partial=True)
    assert read_ledger(run_folder)[1]["grades"] == 20


def test_a_hostile_name_is_no_path(run_folder: Path, sealed: Sealed) -> None:
    give(run_folder, sealed, "../../../etc/passwd")
    assert {path.name for path in (run_folder / "grading" / sealed[0].bundle).iterdir()} == {
        "bundle.json", "key.json", "page.html", "grades-0001.json"
    }  # fmt: skip


def test_bundles_are_chosen_by_name_or_age(run_folder: Path, sealed: Sealed) -> None:
    newer = seal(drawn(), KNOWN)
    publish(run_folder, *newer, page="")
    assert choose_bundle(run_folder) == newer[0].bundle
    assert choose_bundle(run_folder, sealed[0].bundle[:8]) == sealed[0].bundle
    with pytest.raises(RunError, match="nobody has graded a bundle of this run yet"):
        choose_bundle(run_folder, graded=True)
    give(run_folder, sealed, "Ada")
    assert choose_bundle(run_folder, graded=True) == sealed[0].bundle
    with pytest.raises(RunError, match="there is no such bundle .found zz"):
        choose_bundle(run_folder, "zz")


def test_a_run_without_bundles_says_so(tmp_path: Path) -> None:
    for ask in (lambda: choose_bundle(tmp_path), lambda: import_grades(tmp_path, [("a", b"")])):
        with pytest.raises(RunError, match="no bundle was exported from this run"):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_the_ledger_is_lines_of_json(run_folder: Path) -> None:
    lines = (run_folder / "grading" / "ledger.jsonl").read_text().splitlines()
    assert json.loads(lines[0]).keys() >= {
        "kind",
        "bundle",
        "key_sha256",
        "bundle_sha256",
        "seed",
        "clock",
        "hash",
    }
