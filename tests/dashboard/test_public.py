import json
from pathlib import Path

import pytest

from tests.dashboard.conftest import begin, finish, sample, tell
from twosignal.dashboard.assets import Assets
from twosignal.dashboard.public import PublicCopy
from twosignal.dashboard.shelf import Shelf
from twosignal.errors import InputError


def copy_of(runs_dir: Path, folder: Path) -> PublicCopy:
    pages = folder.parent / "pages"
    pages.mkdir(exist_ok=True)
    (pages / "index.html").write_text("<!doctype html>")
    copy = PublicCopy(folder=folder, shelf=Shelf(runs_dir=runs_dir), pages=Assets(folder=pages))
    copy.check()
    return copy


def test_the_copy_holds_what_the_pages_read(finished_run: Path, tmp_path: Path) -> None:
    copy = copy_of(finished_run.parent, tmp_path / "public")
    copy.write()
    data = tmp_path / "public" / "data"
    assert (tmp_path / "public" / "index.html").read_text() == "<!doctype html>"
    assert json.loads((data / "public.json").read_text())["public"] is True
    assert [run["id"] for run in json.loads((data / "runs.json").read_text())["runs"]] == [finished_run.name]
    run = data / finished_run.name
    names = {path.name for path in run.iterdir()}
    assert names == {
        "run.json", "series.json", "samples.json", "samples", "verdicts.json", "bandit.json", "receipt.json",
        "checkpoints.json", "audit.json",
    }  # fmt: skip
    curves = json.loads((run / "series.json").read_text())["series"]
    assert {"loss", "smma100", "probe", "coherence", "share[chat]", "memory_bytes"} <= set(curves)
    assert 90.0 in curves["loss"]["max"]
    assert sorted(path.stem for path in (run / "samples").iterdir()) == ["100", "20", "40", "60", "80"]
    assert json.loads((run / "samples" / "20.json").read_text())["next"] == 40


def test_only_what_changed_is_replaced_and_always_at_once(runs_dir: Path, tmp_path: Path) -> None:
    writer = begin(runs_dir)
    tell(writer, {1: 2.0})
    writer.append(sample(1))
    copy = copy_of(runs_dir, tmp_path / "public")
    copy.write()
    assert copy.write() == 1, "only the time of writing"
    first = tmp_path / "public" / "data" / writer.path.name / "samples" / "1.json"
    before = first.stat().st_ino
    tell(writer, {2: 2.0})
    writer.append(sample(2))
    copy.write()
    assert first.stat().st_ino != before, "it is replaced, not written over"
    assert json.loads(first.read_text())["next"] == 2
    finish(writer, 2)
    assert not list((tmp_path / "public").rglob("*.partial"))


def test_a_folder_of_somebody_elses_is_left_alone(runs_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "index.html").write_text("mine")
    with pytest.raises(InputError, match="no copy of a dashboard"):
        copy_of(runs_dir, folder)
    assert (folder / "index.html").read_text() == "mine"
