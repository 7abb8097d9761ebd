"""What the model says: the same for the same weights, seed and step, and without a trace on training."""

import math
from pathlib import Path

import pytest
import torch

from tests.train.small import small_setup, stock_losses
from twosignal.model.generate import generate
from twosignal.train import samples as samples_module
from twosignal.train.panel import Prompt
from twosignal.train.run import sampler_of
from twosignal.train.samples import Sampler
from twosignal.train.setup import Setup


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return small_setup(tmp_path_factory.mktemp("run"), samples={"tokens": 12}, run={"seed": 3})


def texts(sampler: Sampler, step: int) -> list[str]:
    return [body["text"] for body in sampler.draw(step)]


def test_the_same_step_is_drawn_alike_and_another_differently(setup: Setup) -> None:
    sampler = sampler_of(setup)
    assert texts(sampler, 10) == texts(sampler_of(setup), 10)
    assert texts(sampler, 10) != texts(sampler, 11)


def test_another_seed_draws_differently(setup: Setup) -> None:
    sampler = sampler_of(setup)
    other = Sampler(
        learner=sampler.learner,
        tokenizer=sampler.tokenizer,
        panel=sampler.panel,
        table=sampler.table,
        seed=4,
        random_chance=sampler.random_chance,
    )
    assert texts(sampler, 10) != texts(other, 10)


def test_the_random_numbers_and_the_mode_of_training_stay_as_they_were(setup: Setup) -> None:
    setup.learner.model.train()
    before = torch.get_rng_state()
    sampler_of(setup).draw(10)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(module.training for module in setup.learner.model.modules())
    assert torch.is_grad_enabled()


def test_a_body_holds_the_mean_loss_of_the_drawn_tokens(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is recomputed by transformers' own code from prompt and answer."""
    drawn: list[list[int]] = []

    def keep(*args: object, **options: object) -> object:
        texts = generate(*args, **options)  # type: ignore[arg-type]
        drawn.extend(text.ids for text in texts)
        return texts

    monkeypatch.setattr(samples_module, "generate", keep)
    sampler = sampler_of(setup)
    prompt = sampler.panel[0]
    body = sampler.draw(10)[0]
    model = setup.learner.model
    model.set_attn_implementation("eager")
    with torch.no_grad():
        losses = stock_losses(model, [*prompt.ids, *drawn[0]])[-len(drawn[0]) :]
    model.set_attn_implementation("twosignal")
    expected = float(losses.mean())
    assert body["loss"] == pytest.approx(expected, rel=1e-4)
    assert body["ppl"] == pytest.approx(math.exp(expected), rel=1e-3)
    assert body["tokens"] == len(drawn[0])
    assert body["prompt"] == prompt.text
    assert body["source"] == body["domain"] == "chat"
    assert body["text"] == setup.tokenizer.decode(drawn[0]).strip()
    assert body["copied"] is None
    assert set(body["scores"]) >= {"bigram", "trigram", "english", "character", "total"}
    assert (body["tier"], body["action"]) == ("structure", "ACCEPT_WITH_NOTE")


def test_a_domain_is_told_where_the_data_has_one(setup: Setup) -> None:
    sampler = sampler_of(setup)
    ids = sampler.panel[0].ids
    asked = Sampler(
        learner=sampler.learner,
        tokenizer=sampler.tokenizer,
        panel=[Prompt(ids=ids, text="hi", source="chat", domain="hotels")],
        table=sampler.table,
        seed=0,
        random_chance=sampler.random_chance,
    )
    assert [body["domain"] for body in asked.draw(1)] == ["hotels"]


def test_weights_that_are_not_numbers_give_a_loss_that_is_none(tmp_path: Path) -> None:
    setup = small_setup(tmp_path)
    with torch.no_grad():
        next(setup.learner.model.parameters()).fill_(math.nan)
    body = sampler_of(setup).draw(1)[0]
    assert math.isnan(body["loss"])
    assert body["tier"] == "non-finite"
