"""Takes dataset folders on this machine, checks that they are read as hub datasets are, and what is refused."""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twosignal.config import SourceTable
from twosignal.errors import SourceError
from twosignal.text.conversation import Conversation, Document
from twosignal.text.corpus import SourceReader
from twosignal.text.hub import parse_hub


@pytest.fixture
def parquet_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    for split, count in (("train", 8), ("test", 2)):
        messages = [
            [{"role": "user", "content": f"{split} {n}"}, {"role": "assistant", "content": "yes"}]
            for n in range(count)
        ]
        pq.write_table(pa.table({"messages": messages}), folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def questions(folder: Path, path: str, **table: Any) -> list[str]:
    found = []
    for reading in SourceReader("s", SourceTable(path=path, **table), folder=folder):
        assert isinstance(reading.record, Conversation)
        found.append(f"{reading.record.messages[0].content}{' held out' if reading.held_out else ''}")
    return found


@pytest.mark.usefixtures("offline")
def test_a_folder_is_read_as_a_dataset(parquet_folder: Path) -> None:
    found = questions(parquet_folder.parent, "hf:./set", held_out=0)
    assert found == [f"train {n}" for n in range(8)]
    assert questions(parquet_folder.parent, "hf:./set@test", held_out=0) == ["test 0", "test 1"]


@pytest.mark.usefixtures("offline")
def test_the_end_of_a_dataset_can_be_held_out_under_a_limit(parquet_folder: Path) -> None:
    found = questions(parquet_folder.parent, "hf:./set", held_out=0.25, held_out_at="end")
    assert found[5:] == ["train 5", "train 6 held out", "train 7 held out"]
    found = questions(parquet_folder.parent, "hf:./set", held_out=0.25, held_out_at="end", limit=4)
    assert found[2:] == ["train 2", "train 3 held out"]


@pytest.mark.usefixtures("offline")
def test_json_lines_in_a_folder_are_read_with_their_origin(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    lines = [json.dumps({"text": text}) for text in ("one", "two")]
    (tmp_path / "set" / "train.jsonl").write_text("\n".join(lines))
    source = SourceReader("s", SourceTable(path="hf:./set"), folder=tmp_path)
    records = [reading.record for reading in source]
    assert [record.text for record in records if isinstance(record, Document)] == ["one", "two"]
    assert str(records[1].origin) == "hf:./set:2"
    assert source.files == ()


@pytest.mark.usefixtures("offline")
def test_a_split_that_is_not_there_is_refused(parquet_folder: Path) -> None:
    with pytest.raises(SourceError, match=r'hf:\./set@dev: the dataset cannot be read .*the split "dev"'):
        questions(parquet_folder.parent, "hf:./set@dev")


@pytest.mark.usefixtures("offline")
def test_an_empty_dataset_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(SourceError, match="the dataset cannot be read"):
        questions(tmp_path, "hf:./set")


@pytest.mark.usefixtures("offline")
def test_a_dataset_that_cannot_be_reached_is_refused(tmp_path: Path) -> None:
    source = SourceReader("s", SourceTable(path="hf:nobody/nothing"), folder=tmp_path)
    with pytest.raises(SourceError, match="hf:nobody/nothing: the dataset cannot be read"):
        list(source)
    with pytest.raises(SourceError, match="hf:nobody/nothing: the dataset cannot be read"):
        source.input_fingerprint()


def test_without_the_package_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SourceError) as caught:
        questions(tmp_path, "hf:owner/name")
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "hf:owner/name: reading hub datasets needs the package datasets (found it is not installed). "
        "Install it: pip install twosignal[hub]"
    )


def test_the_fingerprint_of_a_folder_follows_its_files(parquet_folder: Path) -> None:
    source = SourceReader("s", SourceTable(path="hf:./set"), folder=parquet_folder.parent)
    first = source.input_fingerprint()
    assert first == source.input_fingerprint()
    (parquet_folder / "data" / "more.jsonl").write_text("{}")
    assert first != source.input_fingerprint()


@pytest.mark.parametrize(
    ("spec", "name", "config", "split"),
    [
        ("hf:owner/name", "owner/name", None, "train"),
        ("hf:owner/name:en", "owner/name", "en", "train"),
        ("hf:owner/name@test", "owner/name", None, "test"),
        ("hf:owner/name:en@train[:5%]", "owner/name", "en", "train[:5%]"),
        ("hf:squad", "squad", None, "train"),
    ],
)
def test_a_spec_names_dataset_config_and_split(spec: str, name: str, config: str | None, split: str) -> None:
    found = parse_hub(spec, folder=Path("/"), source="s")
    assert (found.name, found.config, found.split, found.shown) == (name, config, split, spec)
    assert not found.is_local


def test_a_local_spec_begins_at_the_folder(parquet_folder: Path) -> None:
    found = parse_hub("hf:./set", folder=parquet_folder.parent, source="s")
    assert (found.name, found.is_local) == (str(parquet_folder.resolve()), True)


def test_specs_that_name_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'hf:\./no: source "s": no such dataset folder \(found nothing at'):
        parse_hub("hf:./no", folder=tmp_path, source="s")
    for spec in ("hf:", "hf:a/b/c", "hf:owner/"):
        with pytest.raises(SourceError, match='source "s": not a hub dataset'):
            parse_hub(spec, folder=tmp_path, source="s")
