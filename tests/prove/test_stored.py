"""S7: what is kept from an earlier run must be what its inputs give now; damage and staleness have their own words."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.train.small import small_setup
from twosignal.packs.prepare import label_code, source_reader
from twosignal.packs.store import ExampleStore
from twosignal.prove.receipt import Check
from twosignal.prove.sample import Sample
from twosignal.prove.stored import check_store
from twosignal.train.setup import Setup


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return small_setup(tmp_path)


def checked(setup: Setup) -> Check:
    given = []
    for name, source in setup.sources.items():
        sample = Sample(setup.config, source, setup.tokenizer, folder=setup.folder)
        given.append((sample, source_reader(setup.config, name, setup.folder)))
    return check_store(given, setup.tokenizer)


def with_store(setup: Setup, store: ExampleStore) -> Setup:
    sources = {name: replace(source, store=store) for name, source in setup.sources.items()}
    return replace(setup, sources=sources)


def test_a_fresh_store_passes(setup: Setup) -> None:
    check = checked(setup)
    assert (check.id, check.passed) == ("S7", True)
    assert check.evidence["compared"] == 23
    assert setup.sources["chat"].store.folder.name.endswith(label_code())


def spoil_ids(folder: Path) -> None:
    np.memmap(folder / "ids.bin", np.int32, mode="r+")[5] += 1


def spoil_mask(folder: Path) -> None:
    mask = np.memmap(folder / "supervised.bin", np.bool_, mode="r+")
    mask[5] = not mask[5]


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (spoil_ids, "unstable-rendering", "it is kept as other tokens than it renders to now"),
        (spoil_mask, "wrong-targets", "token 5 is kept with another mask than it renders to now"),
    ],
)
def test_a_damaged_or_stale_store_is_found(
    spoil: Callable[[Path], None], kind: str, said: str, setup: Setup
) -> None:
    """As after a change of the template or of the labelling code that no key noticed."""
    spoil(setup.sources["chat"].store.folder)
    check = checked(setup)
    assert (check.passed, check.kind, check.message) == (False, kind, f"chat.jsonl:1: {said}")
    assert "[[" in check.evidence["text"]
    assert ".cache" in check.remedy


def test_an_example_that_is_not_kept_is_lost(setup: Setup) -> None:
    store = setup.sources["chat"].store
    store.index = store.index[1:]
    check = checked(setup)
    assert (check.kind, check.message) == (
        "lost-data",
        "chat.jsonl:1: 0 of its renderings are kept, and it has 1",
    )


def test_an_example_that_is_kept_twice_is_doubled(setup: Setup) -> None:
    store = setup.sources["chat"].store
    store.index = np.concatenate([store.index[:1], store.index])
    assert checked(setup).kind == "duplicated-data"


def test_data_that_changed_behind_the_store_is_found(setup: Setup) -> None:
    path = setup.folder / "chat.jsonl"
    path.write_text(path.read_text() + '{"messages": [{"role": "user", "content": "more"}]}\n')
    check = checked(setup)
    assert (check.passed, check.kind) == (False, "unstable-rendering")
    assert check.evidence["found"] == setup.sources["chat"].store.folder.name != check.evidence["expected"]


def test_a_store_of_other_code_or_options_is_not_taken_for_this_one(setup: Setup) -> None:
    store = setup.sources["chat"].store
    other = store.folder.with_name(store.folder.name[:-1] + "x")
    store.folder.rename(other)
    assert checked(with_store(setup, ExampleStore(other))).kind == "unstable-rendering"


def test_the_sample_holds_what_is_trained_on_and_nothing_held_out(setup: Setup) -> None:
    sample = Sample(setup.config, setup.sources["chat"], setup.tokenizer, folder=setup.folder)
    held = {
        str(setup.sources["chat"].store.origin(int(n)))
        for n in setup.sources["chat"].store.numbers(held_out=True)
    }
    assert held
    assert not held & {str(c.origin) for c in sample.conversations}
    assert (len(sample.conversations), sample.read, sample.others) == (23, 24, [])
    made = sample.make(sample.conversations[:1])[0]
    assert made is not None
    assert made.ids.tolist() == setup.sources["chat"].store[0].ids.tolist()
