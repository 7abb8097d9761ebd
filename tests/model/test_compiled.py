"""Compiled training gives the numbers of uncompiled training, and generation does not compile."""

import pytest
import torch

from twosignal.model.attention import hidden_states
from twosignal.model.compiled import compile_layers, uncompiled
from twosignal.model.generate import Sampling, generate
from twosignal.model.presets import grow


def test_without_compiling_nothing_is_entered() -> None:
    model = grow("tiny", vocab_size=300, seed=0)
    with uncompiled(model):
        assert model.base_model._compiled_call_impl is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_layers_give_the_same_states_and_generate_uncompiled() -> None:
    model = grow("tiny", vocab_size=300, seed=0)
    ids = torch.arange(24) % 300
    positions = torch.cat([torch.arange(16), torch.arange(8)])
    expected = hidden_states(model, ids, positions, [16, 8])
    compile_layers(model)
    torch.testing.assert_close(hidden_states(model, ids, positions, [16, 8]), expected, rtol=1e-4, atol=1e-5)
    counted = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    generate(model, [[1, 2, 3]], settings=Sampling(max_tokens=5), seed=0)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == counted > 0
