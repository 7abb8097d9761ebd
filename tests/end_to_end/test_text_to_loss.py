"""From a line of text to the loss of one token: what is expected is written out by hand, or computed by transformers."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.train.small import config, quiet
from twosignal.model.attention import hidden_states
from twosignal.packs.pack import NO_TARGET, Pack
from twosignal.tokens.training import train_tokenizer
from twosignal.train.batch import batch_loss, lay_batch
from twosignal.train.loss import summed_loss
from twosignal.train.setup import Setup, build

WORDS = "ab ab ab ab ab cab cab cab"
"""A vocabulary learned from this holds the pairs "ab", " ab", "cab" and " cab" besides the bytes."""
LINES = [
    {"messages": [{"role": "user", "content": "ab ab"}, {"role": "assistant", "content": "cab ab"}]},
    {
        "messages": [
            {"role": "user", "content": "cab"},
            {"role": "assistant", "content": "ab"},
            {"role": "user", "content": "ab"},
            {"role": "assistant", "content": "ab cab!"},
        ]
    },
]
TOKENS = {
    1: ["<|bos|>", "<|user|>", "ab", " ab", "<|end|>", "<|assistant|>", "cab", " ab", "<|end|>"],
    2: [
        *("<|bos|>", "<|user|>", "cab", "<|end|>", "<|assistant|>", "ab", "<|end|>"),
        *("<|user|>", "ab", "<|end|>", "<|assistant|>", "ab", " cab", "!", "<|end|>"),
    ],
}
"""By line of the file. Both together fill one row of 24 tokens."""
LEARNED = {1: [6, 7, 8], 2: [5, 6, 11, 12, 13, 14]}
"""Places of the tokens that the model is to learn to write."""


class Learned(NamedTuple):
    """One target of a row."""

    line: int
    text: str
    loss: float


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    (tmp_path / "chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    train_tokenizer([WORDS], kind="bpe", vocab=4096).save(tmp_path / "words")
    given = config(source={"held_out": 0.0}, tokenizer={"from": "words"}, rows={"tokens": 24})
    setup = build(given, folder=tmp_path, runs_dir=tmp_path / "runs", say=quiet)
    with torch.no_grad():
        for parameter in setup.learner.model.parameters():
            parameter.mul_(8 if parameter.ndim == 2 else 1)
    return setup


def learned(setup: Setup, row: Pack) -> list[Learned]:
    """Every target of a row with the loss it has on the way of a training step."""
    learner, batch = setup.learner, lay_batch([row], torch.device("cpu"))
    with learner.precision():
        hidden = hidden_states(learner.model, batch.ids, batch.positions, batch.lengths)
        losses = summed_loss(hidden[batch.supervised], learner.head, batch.targets)[1]
    lines = [segment.origin.line for segment in row.segments for _ in range(segment.length)]
    return [
        Learned(lines[place], setup.tokenizer.decode_within([target]), loss)
        for place, target, loss in zip(
            batch.supervised.tolist(), batch.targets.tolist(), losses.tolist(), strict=True
        )
    ]


def alone(setup: Setup, folder: Path) -> dict[int, Tensor]:
    """-log softmax of every successor in each conversation, by a model and tokenizer that transformers loaded."""
    setup.learner.model.save_pretrained(folder)
    setup.tokenizer.save(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    losses = {}
    for line, tokens in TOKENS.items():
        ids = tokenizer.apply_chat_template(LINES[line - 1]["messages"], return_dict=False)
        assert [tokenizer.decode([i]) for i in ids] == tokens
        with torch.no_grad():
            chances = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        losses[line] = -chances[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
    return losses


def test_exactly_the_answers_and_their_ends_are_learned(setup: Setup) -> None:
    row = setup.sources["chat"].stream.draw()
    assert len(row.ids) == 24
    assert sorted(segment.origin.line for segment in row.segments) == [1, 2]
    at = 0
    for segment in row.segments:
        line, part = segment.origin.line, slice(at, at + segment.length)
        assert [setup.tokenizer.decode_within([int(i)]) for i in row.ids[part]] == TOKENS[line]
        places = [place for place, target in enumerate(row.targets[part]) if target != NO_TARGET]
        assert [place + 1 for place in places] == LEARNED[line]
        at += segment.length
    texts = {line: [one.text for one in learned(setup, row) if one.line == line] for line in (1, 2)}
    assert texts == {
        1: ["cab", " ab", "<|end|>"],
        2: ["ab", "<|end|>", "ab", " cab", "!", "<|end|>"],
    }


def test_every_loss_is_that_of_the_conversation_alone(setup: Setup, tmp_path: Path) -> None:
    row = setup.sources["chat"].stream.draw()
    found, expected = learned(setup, row), alone(setup, tmp_path / "plain")
    assert len(found) == 9
    for line, places in LEARNED.items():
        losses = [one.loss for one in found if one.line == line]
        by_transformers = [float(expected[line][place - 1]) for place in places]
        assert losses == pytest.approx(by_transformers, rel=1e-5)
    assert len({round(one.loss, 3) for one in found}) == 9


def test_the_sum_count_and_bytes_of_a_step_follow(setup: Setup, tmp_path: Path) -> None:
    """Of the learned texts "cab", " ab", "ab", "ab", " cab" and "!" are 3 + 3 + 2 + 2 + 4 + 1 bytes."""
    row, expected = setup.sources["chat"].stream.draw(), alone(setup, tmp_path / "plain")
    total = sum(float(expected[line][place - 1]) for line, places in LEARNED.items() for place in places)
    differentiable, loss = batch_loss(setup.learner, lay_batch([row], torch.device("cpu")))
    tally = loss.by_source["chat"]
    assert (tally.count, tally.num_bytes) == (9, 15)
    assert tally.total == pytest.approx(total, rel=1e-5)
    assert differentiable.item() == pytest.approx(total, rel=1e-5)
