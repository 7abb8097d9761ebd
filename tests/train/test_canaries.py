"""Codes that were trained on are exposed, others are not; measured on a model made to know one of them."""

from dataclasses import replace

import pytest
import torch

from tests.train.small import config, small_setup, stock_losses
from twosignal.text.synthetic.canaries import planted
from twosignal.train import canaries as canaries_module
from twosignal.train.canaries import measure_exposure
from twosignal.train.setup import Setup

OTHERS = 63


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """A tiny model whose run file asks for canaries beside the chats it was set up with."""
    plain = small_setup(tmp_path_factory.mktemp("run"), model={"context": 128})
    sources = {"chat": {"path": "chat.jsonl"}, "codes": {"path": "builtin:canaries", "held_out": 0.0}}
    return replace(plain, config=config(sources=sources))


def test_a_run_without_canaries_is_not_measured(setup: Setup) -> None:
    assert measure_exposure(replace(setup, config=config()), step=4) is None


def test_what_was_learned_by_heart_stands_out(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained on the codes that stand 100 times, and on nothing else: these rank first of 64, 6 bits."""
    monkeypatch.setattr(canaries_module, "OTHERS", OTHERS)
    before = measure_exposure(setup, step=0)
    assert before is not None
    assert before.evidence["bits"]["100"] < 5  # type: ignore[index]
    model = setup.learner.model
    model.set_attn_implementation("eager")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    texts = [canary.text for canary in planted() if canary.repeats == 100]
    rows = setup.tokenizer.encode_batch(texts)
    for _ in range(60):
        optimizer.zero_grad()
        torch.stack([stock_losses(model, row).mean() for row in rows]).mean().backward()
        optimizer.step()
    model.set_attn_implementation("twosignal")
    after = measure_exposure(setup, step=60)
    assert after is not None
    assert after.evidence["bits"]["100"] == 6.0  # type: ignore[index]
    assert after.evidence["bits"]["1"] < 5  # type: ignore[index]
    assert after.evidence["canaries"] == {"1": 4, "10": 4, "100": 4}
    assert after.steps == (60,)
