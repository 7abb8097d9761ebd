"""A run looks for every sample in its own training text, and only in what it trains on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.audits.copying.corpus import letters
from tests.train.small import config, quiet, write_chats
from twosignal.audits.copying import CopyIndex
from twosignal.train.copies import copy_index
from twosignal.train.run import sampler_of
from twosignal.train.setup import Setup, build


def indexed(setup: Setup, folder: Path) -> CopyIndex:
    index = copy_index(setup, folder=folder, cache=folder / "runs" / ".cache", say=quiet)
    assert index is not None
    return index


def long_chats(number: int) -> list[list[tuple[str, str]]]:
    return [[("user", f"tell {n}"), ("assistant", letters(160, seed=n))] for n in range(number)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copies")
    write_chats(folder / "chat.jsonl", *long_chats(40))
    return folder


@pytest.fixture(scope="module")
def setup(folder: Path) -> Setup:
    run = config(source={"held_out": 0.3}, rows={"too_long": "split"})
    return build(run, folder=folder, runs_dir=folder / "runs", say=quiet)


def test_what_is_held_out_is_not_training_text(setup: Setup, folder: Path) -> None:
    index = indexed(setup, folder)
    store = setup.sources["chat"].store
    kept_back = {store.origin(int(number)).line for number in store.numbers(held_out=True)}
    assert 0 < len(kept_back) < 40
    for line in range(1, 41):
        found = index.runs(letters(160, seed=line - 1).encode())
        assert bool(found) == (line not in kept_back)
        assert all(index.origin(run.place)[0].line == line for run in found)


def test_the_index_is_built_once_and_anew_for_other_data(setup: Setup, folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    other = {"chat": replace(setup.sources["chat"], fingerprint="other")}
    places = []
    for one in (setup, setup, replace(setup, sources=other)):
        index = copy_index(one, folder=folder, cache=tmp_path, say=said.append)
        assert index is not None
        places.append(index.folder)
    assert places[0] == places[1] != places[2]
    assert len(said) == 2


def test_a_run_file_may_switch_it_off(setup: Setup, folder: Path, tmp_path: Path) -> None:
    without = replace(setup, config=config(samples={"copies": False}))
    assert copy_index(without, folder=folder, cache=tmp_path, say=quiet) is None
    assert list(tmp_path.iterdir()) == []


def test_a_copied_sample_is_recorded_with_its_place(setup: Setup, folder: Path) -> None:
    """A text of the training data, as if the model had said it, with a loss that looks normal."""
    sampler = replace(sampler_of(setup), copies=indexed(setup, folder))
    store = setup.sources["chat"].store
    line = store.origin(int(store.numbers(held_out=False)[3])).line
    text = letters(160, seed=line - 1).strip()
    ids = setup.tokenizer.encode(text)
    body: dict[str, Any] = sampler._body(sampler.panel[0], ids, -1.0)
    assert body["text"] == text
    assert body["copied"]["verdict"] == "memorized"
    assert body["copied"]["longest_tokens"] == len(ids) == len(text)  # a token of this run is a byte
    (match,) = body["copied"]["matches"]
    assert (match["file"], match["line"], match["source"]) == ("chat.jsonl", line, "chat")
    assert body["action"] == "INVESTIGATE"


def test_an_easy_answer_is_not_taken_for_a_copy(setup: Setup, folder: Path) -> None:
    sampler = replace(sampler_of(setup), copies=indexed(setup, folder))
    ids = setup.tokenizer.encode("Yes, that is so.")
    body = sampler._body(sampler.panel[0], ids, -0.1)
    assert (body["copied"]["verdict"], body["action"]) == ("predictable", "ACCEPT_WITH_NOTE")
    assert body["copied"]["matches"] == []
