"""C: faults of packing itself, each injected, each named by the proof."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from trl.data_utils import pack_dataset

from tests.faults import sites
from tests.faults.catalogue import fault
from twosignal.prove.receipt import Receipt

pytestmark = pytest.mark.filterwarnings("ignore")


def proof_of(rows: list[sites.Row], folder: Path, *, dataset: Any = None, **settings: Any) -> Receipt:
    """The proof of transformers' trainer on ready packed rows, one at a time."""
    trainer = sites.plain(folder, rows, collator=sites.OneRow(), per_device_train_batch_size=1, **settings)
    return sites.proof(trainer, dataset=dataset)


def unpacked(number: int = 24, **settings: Any) -> list[sites.Row]:
    return sites.rows(sites.tokenizer(), sites.chats(number, **settings))


@fault("C1", "wrong-targets", "S1", "S2", "S4", "S5")
def test_the_packer_drops_the_mask(tmp_path: Path) -> Receipt:
    trainer = sites.sft(tmp_path, sites.messages(sites.chats()))
    # What an earlier version of the packer did: it selected the ids alone, and all of them were learned.
    trainer.train_dataset = trainer.train_dataset.map(lambda row: {"labels": row["input_ids"]})
    return sites.proof(trainer)


@fault("C2", "wrong-targets", "S1", "S2", "S4", "S5", "S9")
def test_the_packer_drops_the_user_s_labels(tmp_path: Path) -> Receipt:
    data = unpacked()
    ids_only = Dataset.from_list([{"input_ids": row["input_ids"]} for row in data])
    lost = pack_dataset(ids_only, seq_length=128, strategy="bfd")
    rows = [{"input_ids": row["input_ids"], "labels": row["input_ids"]} for row in lost]
    for row, packed in zip(rows, lost, strict=True):
        row["position_ids"] = [place for length in packed["seq_lengths"] for place in range(length)]
    return proof_of(rows, tmp_path, dataset=data)


@pytest.mark.parametrize("given", [True, False])
@fault("C3", "duplicated-data", "S5")
def test_rows_are_replaced_by_copies(given: bool, tmp_path: Path) -> Receipt:
    data = unpacked(60)
    rows = sites.packed(data)
    # The offset of every batch but the first was ignored: the first rows come again.
    faulty = [*rows[:10], *rows[:10]]
    return proof_of(faulty, tmp_path, dataset=data if given else None)


@fault("C3", "lost-data", "S5", "S4")
def test_conversations_are_missing(tmp_path: Path) -> Receipt:
    data = unpacked(60)
    return proof_of(sites.packed(data)[:10], tmp_path, dataset=data)


@fault("C5", "leak", "P1", "P2", "P3", "S5")
def test_positions_are_not_reset(tmp_path: Path) -> Receipt:
    return proof_of(sites.packed(unpacked(), positions=False), tmp_path)


@fault("C6", "wrong-targets", "S1", "S2", "S5")
def test_the_mask_is_misaligned_after_the_first_conversation(tmp_path: Path) -> Receipt:
    data = unpacked()
    rows = sites.packed(data)
    for number, row in enumerate(rows):
        first = len(data[3 * number]["input_ids"])
        learned = [int(label >= 0) for label in row["labels"]]
        moved = [*learned[:first], *learned[first + 4 :], 0, 0, 0, 0]
        row["labels"] = sites.labelled(row["input_ids"], moved)
    return proof_of(rows, tmp_path)


@fault("C7", "lost-data", "S4")
def test_the_token_after_each_end_of_turn_is_masked(tmp_path: Path) -> Receipt:
    end = sites.tokenizer().eos_token_id
    glued = (
        "{% for message in messages %}{% if message['role'] == 'assistant' %}"
        "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
        "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{% endfor %}"
    )
    theirs = sites.tokenizer(glued)
    data = sites.rows(theirs, sites.chats())
    rows = sites.packed(data)
    for row in rows:
        after = [n for n in range(1, len(row["labels"])) if row["input_ids"][n - 1] == end]
        for place in after:
            row["labels"][place] = -100
    trainer = sites.plain(
        tmp_path, rows, collator=sites.OneRow(), per_device_train_batch_size=1, theirs=theirs
    )
    return sites.proof(trainer, dataset=data)


@fault("C8", "wrong-targets", "S1", "S2", "S5", "P5")
def test_the_last_token_is_to_predict_the_next_conversation(tmp_path: Path) -> Receipt:
    data = [{"input_ids": row["input_ids"], "labels": row["input_ids"]} for row in unpacked()]
    rows = sites.packed(data)
    for row in rows:
        row["labels"] = row["input_ids"]
    return proof_of(rows, tmp_path)


@fault("C9", "lost-data", "S5")
def test_single_token_conversations_melt_into_their_neighbours(tmp_path: Path) -> Receipt:
    mixed = [one for row in unpacked() for one in (row, {"input_ids": [0], "labels": [-100]})]
    rows = sites.packed(mixed, per_row=4)
    for row in rows:
        # A boundary is seen only where positions fall: 0 after 0 does not.
        positions = row["position_ids"]
        for place in [n for n in range(1, len(positions)) if positions[n] == positions[n - 1] == 0]:
            positions[place:] = [p + 1 for p in positions[place:]]
    return proof_of(rows, tmp_path, dataset=mixed)


@fault("C10", "wrong-targets", "S5", "S9")
def test_padding_forgets_the_positions(tmp_path: Path) -> Receipt:
    rows = sites.packed(unpacked())
    for row in rows:
        filler = -len(row["input_ids"]) % 64
        row["input_ids"] = row["input_ids"] + [7] * filler
        row["labels"] = row["labels"] + [-100] * filler
    return proof_of(rows, tmp_path)


@fault("C11", "lost-data", "S4", "S5")
def test_an_over_long_conversation_is_cut(tmp_path: Path) -> Receipt:
    some = sites.messages(sites.chats(8, turns=1) + sites.chats(4, turns=6, longest=40))
    return sites.proof(sites.sft(tmp_path, some, max_length=64), dataset=some)


@fault("C13", "leak", "P1", "P2", "P3")
def test_the_block_mask_never_reaches_the_model(tmp_path: Path) -> Receipt:
    given = sites.model()
    given.register_forward_pre_hook(_without_positions, with_kwargs=True)
    return sites.proof(sites.sft(tmp_path, sites.messages(sites.chats()), given=given))


def _without_positions(_module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    length = kwargs["input_ids"].shape[1]
    return args, {**kwargs, "position_ids": torch.arange(length)[None]}


@fault("C12", "lost-data", "S4", "S5")
def test_the_last_uneven_batch_is_dropped(tmp_path: Path) -> Receipt:
    data = unpacked(60)
    trainer = sites.plain(tmp_path, data, per_device_train_batch_size=32, dataloader_drop_last=True)
    return sites.proof(trainer)
