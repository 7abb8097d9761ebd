"""F: faults of plumbing, each injected, each named by the proof or refused in a sentence."""

from pathlib import Path

import pytest

from tests.faults import sites
from tests.faults.catalogue import fault, refused
from twosignal.prove.receipt import Receipt

pytestmark = pytest.mark.filterwarnings("ignore")


def data_with(**columns: object) -> list[sites.Row]:
    """Ids and messages of chats, beside columns made by `(row, chat)` functions."""
    theirs = sites.tokenizer()
    made = []
    for chat in sites.chats():
        row = sites.rendered(theirs, chat)
        extra = {name: make(row) for name, make in columns.items() if callable(make)}
        made.append({"messages": chat, "input_ids": row["input_ids"], **extra})
    return made


@pytest.mark.parametrize("packing", [True, False])
@fault("F1", "wrong-targets", "S9", "S1", "S2", "S4")
def test_ids_without_a_mask(packing: bool, tmp_path: Path) -> Receipt:
    return sites.proof(sites.sft(tmp_path, data_with(), packing=packing))


@fault("F2", "wrong-targets", "S9", "S1", "S2")
def test_a_mask_under_an_unknown_name(tmp_path: Path) -> Receipt:
    data = data_with(assistant_mask=lambda row: row["mask"])
    return sites.proof(sites.sft(tmp_path, data))


@fault("F3", "wrong-targets", "S9", "S1", "S2")
def test_a_mask_shifted_by_one(tmp_path: Path) -> Receipt:
    data = data_with(assistant_masks=lambda row: [0, *row["mask"][:-1]])
    return sites.proof(sites.sft(tmp_path, data))


@fault("F4", "wrong-targets", "S9", "S1", "S2")
def test_labels_and_a_mask_that_disagree(tmp_path: Path) -> Receipt:
    data = data_with(assistant_masks=lambda row: row["mask"], labels=lambda row: row["input_ids"])
    return sites.proof(sites.sft(tmp_path, data))


@refused("F1", "input_ids")
def test_ids_without_a_mask_in_a_source_of_ours(tmp_path: Path) -> Receipt:
    file = sites.fine_tuning(tmp_path, sites.tokenizer(), data_with())
    return sites.own_proof(file, runs_dir=tmp_path)


@refused("F2", "assistant_maks", "assistant_mask")
def test_a_misspelt_mask_in_a_source_of_ours(tmp_path: Path) -> Receipt:
    file = sites.fine_tuning(tmp_path, sites.tokenizer(), data_with(assistant_maks=lambda row: row["mask"]))
    return sites.own_proof(file, runs_dir=tmp_path)


@refused("F4", "labels", "assistant_masks")
def test_two_sources_of_supervision_in_a_source_of_ours(tmp_path: Path) -> Receipt:
    data = data_with(assistant_masks=lambda row: row["mask"], labels=lambda row: row["labels"])
    file = sites.fine_tuning(tmp_path, sites.tokenizer(), data)
    return sites.own_proof(file, runs_dir=tmp_path)


@fault("F5", "unstable-rendering", "S7")
def test_a_store_that_no_longer_holds_what_the_template_writes(tmp_path: Path) -> Receipt:
    file = sites.fine_tuning(tmp_path, sites.tokenizer(), sites.messages(sites.chats(60)))
    assert sites.own_proof(file, runs_dir=tmp_path).passed
    (ids,) = tmp_path.glob(".cache/chats-*/ids.bin")
    held = bytearray(ids.read_bytes())
    # Ids of an older template in the same place: another token for every 50th.
    for at in range(0, len(held), 200):
        held[at] = (held[at] + 1) % 250
    ids.write_bytes(bytes(held))
    return sites.own_proof(file, runs_dir=tmp_path)


@refused("F7", "data.jsonl:3", "role")
def test_a_role_that_nobody_knows(tmp_path: Path) -> Receipt:
    some = sites.messages(sites.chats(6))
    some[2]["messages"][0]["role"] = "narrator"
    return sites.own_proof(sites.run_file(tmp_path, some), runs_dir=tmp_path)
