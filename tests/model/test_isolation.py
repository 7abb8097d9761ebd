"""Models that would mix packed documents are refused, by what they are or by what is measured."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from twosignal.errors import RefusedError
from twosignal.model.isolation import is_isolated, isolate, measured_isolation

from .families import COMMON, for_each, make

SMALL = {name: value for name, value in COMMON.items() if name != "head_dim"}


def build(config: str, model: str, **settings: Any) -> PreTrainedModel:
    made: PreTrainedModel = getattr(transformers, model)(
        getattr(transformers, config)(**{**SMALL, **settings})
    )
    return made


@for_each()
def test_every_family_is_measured_as_isolated(family: str) -> None:
    model = isolate(make(family))
    assert is_isolated(model)
    found = measured_isolation(model)
    assert found.leak == 0
    assert 0 < found.drift < 1e-5


@pytest.mark.parametrize(
    ("config", "model", "settings", "reason"),
    [
        ("MambaConfig", "MambaForCausalLM", {"state_size": 4}, "carry a state from token to token"),
        ("Qwen3NextConfig", "Qwen3NextForCausalLM", {"num_experts": 2}, "carry a state from token to token"),
        ("Lfm2Config", "Lfm2ForCausalLM", {"layer_types": ["conv", "full_attention"]}, "layers of type conv"),
        ("BloomConfig", "BloomForCausalLM", {"n_head": 4}, "its attention cannot be exchanged"),
        ("StableLmConfig", "StableLmForCausalLM", {}, "without the lengths of the documents"),
        (
            "BertConfig",
            "BertLMHeadModel",
            {},
            "a kind of attention that is not known to keep documents apart",
        ),
        (
            "T5Config",
            "T5ForConditionalGeneration",
            {"d_model": 8, "num_layers": 1, "d_ff": 8},
            "has an encoder",
        ),
    ],
)
def test_models_that_mix_tokens_otherwise_are_refused_with_their_type(
    config: str, model: str, settings: dict[str, Any], reason: str
) -> None:
    made = build(config, model, **settings)
    with pytest.raises(RefusedError, match=f'of type "{made.config.model_type}" cannot.*{reason}'):
        isolate(made)


class Neighbourly(nn.Module):
    """Adds to every token a little of the token before it, whichever document that is of."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, states: Tensor) -> Tensor:
        return torch.as_tensor(self.norm(states + 0.1 * states.roll(1, dims=1)))


def test_a_leak_beside_the_attention_is_found_by_measurement() -> None:
    model = make("Llama")
    model.model.norm = Neighbourly(model.model.norm)
    with pytest.raises(RefusedError, match=r"exchanging one document changes others by 0\.\d+"):
        isolate(model)


def test_positions_that_run_on_are_found_by_measurement() -> None:
    model = make("GPT-2")

    def run_on(
        _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        places = torch.arange(kwargs["input_ids"].shape[1])[None]
        return args, {**kwargs, "position_ids": places}

    model.transformer.register_forward_pre_hook(run_on, with_kwargs=True)
    with pytest.raises(RefusedError, match="packed documents differ from the same alone"):
        isolate(model)


def test_weights_that_are_not_numbers_are_refused() -> None:
    model = make("Llama")
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(RefusedError, match="not finite .* nan or infinity in model.norm.weight"):
        isolate(model)


def test_measuring_leaves_the_mode_and_the_random_state_as_they_were() -> None:
    model = make("Llama", attention_dropout=0.5).train()
    model.model.layers[0].eval()
    before = torch.get_rng_state()
    isolate(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert model.model.layers[1].self_attn.training
    assert not model.model.layers[0].self_attn.training


def test_a_saved_model_does_not_carry_our_attention(tmp_path: Path) -> None:
    isolate(make("Gemma3")).save_pretrained(tmp_path)
    assert "twosignal" not in (tmp_path / "config.json").read_text()
    assert not is_isolated(AutoModelForCausalLM.from_pretrained(tmp_path))
