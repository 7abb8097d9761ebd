"""B: faults of cutting and of rows without targets, each injected, each named by the proof."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)

from tests.faults import sites
from tests.faults.catalogue import fault
from twosignal.prove.receipt import Receipt

pytestmark = pytest.mark.filterwarnings("ignore")

WINDOW = 96


def long_prompts(number: int, *, seed: int = 5) -> list[sites.Chat]:
    """Chats whose question alone is longer than the window."""
    rng = random.Random(seed)
    return [
        [
            {"role": "user", "content": sites.words(rng, 120, 130)},
            {"role": "assistant", "content": sites.words(rng, 4, 8)},
        ]
        for _ in range(number)
    ]


def long_talks(number: int) -> list[sites.Chat]:
    """Chats of four long turns, three of which lie behind the window."""
    return sites.chats(number, turns=4, longest=40, seed=6)


@fault("B1", "no-targets", "S4", "S6")
def test_the_prompt_alone_fills_the_window(tmp_path: Path) -> Receipt:
    data = [
        {name: values[:WINDOW] for name, values in row.items()}
        for row in sites.rows(sites.tokenizer(), long_prompts(12))
    ]
    return sites.proof(sites.plain(tmp_path, data))


@fault("B2", "no-targets", "S4", "S6")
def test_packed_rows_keep_conversations_without_targets(tmp_path: Path) -> Receipt:
    trainer = sites.sft(tmp_path, sites.messages(long_prompts(8)), max_length=WINDOW)
    assert len(trainer.train_dataset) == 8
    return sites.proof(trainer)


@fault("B3", "lost-data", "S4")
def test_the_end_is_to_be_kept_and_the_start_is(tmp_path: Path) -> Receipt:
    some = sites.messages(long_prompts(8) + sites.chats(8, turns=1))
    trainer = sites.sft(tmp_path, some, max_length=WINDOW, truncation_mode="keep_end")
    return sites.proof(trainer, dataset=some)


@pytest.mark.parametrize("given", [True, False])
@fault("B4", "lost-data", "S4")
def test_packing_cuts_most_targets_away(given: bool, tmp_path: Path) -> Receipt:
    some = sites.messages(long_talks(8))
    trainer = sites.sft(tmp_path, some, max_length=WINDOW)
    return sites.proof(trainer, dataset=some if given else None)


@fault("B5", "lost-data", "S4", "S5")
def test_fragments_without_their_question(tmp_path: Path) -> Receipt:
    some = sites.messages(long_talks(8))
    return sites.proof(sites.sft(tmp_path, some, max_length=WINDOW, packing_strategy="bfd_split"))


def mean_of_masked(
    logits: torch.Tensor, labels: torch.Tensor, _ids: torch.Tensor, _count: int | None
) -> torch.Tensor:
    """The mean over the targets, whether there are any or not."""
    wanted = labels[:, 1:].flatten()
    each = F.cross_entropy(logits[:, :-1].flatten(0, 1), wanted, reduction="none", ignore_index=-100)
    mask = (wanted != -100).float()
    return (each * mask).sum() / mask.sum()


@fault("B6", "no-targets", "S6")
def test_a_mean_over_no_targets(tmp_path: Path) -> Receipt:
    data = sites.rows(sites.tokenizer(), sites.chats(16))
    for row in data[::2]:
        row["labels"] = [-100] * len(row["labels"])
    trainer = sites.plain(tmp_path, data, per_device_train_batch_size=1, gradient_accumulation_steps=4)
    return sites.proof(sites.with_loss(trainer, mean_of_masked))


@fault("B7", "no-targets", "S4", "S6")
def test_a_filter_that_never_fires(tmp_path: Path) -> Receipt:
    data = [
        {"input_ids": row["input_ids"], "labels": [-100] * len(row["labels"])}
        for row in sites.rows(sites.tokenizer(), sites.chats(12))
    ]
    # A list compared with a number is one comparison, and always unequal.
    kept = [row for row in data if np.any(row["labels"] != -100)]
    assert len(kept) == 12
    return sites.proof(sites.plain(tmp_path, kept))


@fault("B8", "no-targets", "S4", "S6")
def test_every_example_is_filtered_out(tmp_path: Path) -> Receipt:
    some = sites.messages(long_prompts(6))
    trainer = sites.sft(tmp_path, some, packing=False, max_length=WINDOW)
    assert not len(trainer.train_dataset)
    return sites.proof(trainer)


@fault("B9", "wrong-targets", "S5")
def test_a_cut_answer_is_closed_by_an_end_of_text(tmp_path: Path) -> Receipt:
    end = sites.tokenizer().convert_tokens_to_ids("<|im_end|>")
    some = long_talks(12)
    data = []
    for row in sites.rows(sites.tokenizer(), some):
        places = [n for n in range(40, len(row["labels"])) if row["labels"][n] >= 0]
        cut = next(n for n in places if row["labels"][n + 1] >= 0)
        data.append(
            {"input_ids": [*row["input_ids"][:cut], end], "labels": [*row["labels"][:cut], end]},
        )
    assert torch.tensor(data[0]["labels"])[-1] == end
    return sites.proof(sites.plain(tmp_path, data), dataset=sites.messages(some))
