"""What a step must come to: carried targets by hand, tolerances by what the model does, broken weights by name."""

import math

import torch

from tests.train.small import learner_of, stock_model, tiny_model
from twosignal.train.forecast import AUTOCAST_NATS, DROPOUT_NATS, EXACT_NATS, loss_tolerance, non_finite_names


def test_the_tolerance_is_that_of_the_precision_and_of_dropout() -> None:
    model = tiny_model("gpt2")
    assert loss_tolerance(learner_of(model)) == EXACT_NATS
    assert loss_tolerance(learner_of(model, autocast=torch.bfloat16)) == AUTOCAST_NATS
    model.transformer.drop.p = 0.1
    assert loss_tolerance(learner_of(model)) == DROPOUT_NATS
    dropping = tiny_model("llama")
    dropping.config.attention_dropout = 0.1
    assert loss_tolerance(learner_of(dropping)) == DROPOUT_NATS


def test_weights_that_are_not_finite_are_named() -> None:
    model = stock_model("llama")
    assert non_finite_names(model) == ()
    with torch.no_grad():
        model.lm_head.weight[0, 0] = math.inf
        model.model.norm.weight[3] = math.nan
    assert non_finite_names(model) == ("model.norm.weight", "lm_head.weight")
    assert non_finite_names(torch.nn.Identity()) == ()
