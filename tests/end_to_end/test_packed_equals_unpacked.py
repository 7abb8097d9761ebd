"""Real dialogues in packed rows give the loss and the gradients of the same dialogues one by one in transformers' own code."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tests.train.small import (
    FAMILIES,
    Shape,
    bare_setup,
    config,
    gradients_of,
    largest_difference,
    learner_of,
    quiet,
    stock_losses,
    stock_model,
    tiny_model,
)
from twosignal.packs.pack import Pack
from twosignal.tokens.example import Example
from twosignal.train import loss as loss_module
from twosignal.train.data import Data, prepare_data
from twosignal.train.step import accumulate

NUM_DIALOGUES = 64
ROW_TOKENS = 1024
ROWS_PER_PASS = 3


@pytest.fixture(scope="module")
def data(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """64 dialogues, their answers supervised, in a vocabulary learned from them; one more is held out."""
    folder = tmp_path_factory.mktemp("dialogues")
    source = {"path": str(shared_data / "sgd_train.jsonl"), "limit": NUM_DIALOGUES, "held_out": 0.0}
    given = config(
        source=source,
        model={"context": ROW_TOKENS},
        tokenizer={"kind": "bpe", "vocab": 1024},
        rows={"tokens": ROW_TOKENS},
    )
    return prepare_data(given, folder=folder, runs_dir=folder, say=quiet)


def examples_of(data: Data) -> list[Example]:
    store = data.sources["chat"].store
    return [store[int(number)] for number in store.numbers(held_out=False)]


def rows_of(data: Data) -> list[Pack]:
    stream = data.sources["chat"].stream
    return [stream.row(stream.plan, number) for number in range(len(stream.plan))]


def shape_of(data: Data) -> Shape:
    return Shape(vocab=data.tokenizer.vocab_size, width=64, deviation=0.1, context=ROW_TOKENS)


def one_by_one(model: PreTrainedModel, examples: list[Example]) -> tuple[float, int]:
    """Put the gradient of the mean loss into the model; return the summed loss and its count."""
    model.eval()
    count = sum(example.num_targets for example in examples)
    total = 0.0
    for example in examples:
        losses: Tensor = stock_losses(model, example.ids.tolist())[torch.tensor(example.supervised[1:])]
        summed = losses.sum()
        (summed / count).backward()
        total += summed.item()
    return total, count


def test_the_rows_are_worth_comparing(data: Data) -> None:
    """All dialogues are there, several in a row, and only some of their tokens are learned."""
    rows = rows_of(data)
    assert len(examples_of(data)) == sum(len(row.segments) for row in rows) == NUM_DIALOGUES
    assert max(len(row.segments) for row in rows) > 2
    assert len(rows) > 2 * ROWS_PER_PASS
    targets = sum(row.num_targets for row in rows)
    assert 0.2 < targets / sum(len(row.ids) for row in rows) < 0.8
    assert targets > 5000


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_rows_give_the_loss_and_gradients_of_single_dialogues(
    family: str, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32; the logits of the packed rows are worked off in chunks of 300 targets."""
    monkeypatch.setattr(loss_module, "PLAIN_LIMIT_BYTES", 300 * data.tokenizer.vocab_size * 4)
    stock = stock_model(family, shape_of(data))
    total, count = one_by_one(stock, examples_of(data))
    learner = learner_of(tiny_model(family, shape_of(data)))
    loss = accumulate(bare_setup(learner, rows_per_pass=ROWS_PER_PASS), rows_of(data)).whole
    assert loss.count == count
    assert loss.total == pytest.approx(total, rel=1e-5)
    assert largest_difference(gradients_of(learner.model), gradients_of(stock)) < 1e-5
