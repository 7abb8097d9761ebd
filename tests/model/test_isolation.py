"""Every model gets the way of running packed rows that is proved on it; what cannot be proved is refused."""

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
import transformers
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from twosignal.errors import InputError, RefusedError
from twosignal.model.attention import hidden_states
from twosignal.model.isolation import isolate
from twosignal.model.kernels import Documents, Heads, Settings, within_documents
from twosignal.model.probes import measured_isolation
from twosignal.model.way import is_isolated, way_of

from .families import COMMON, flat, for_each, make, random_documents

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
    assert way_of(model).sentence() == "packed rows run as one sequence, each document isolated"
    found = measured_isolation(model)
    assert found.leak == found.ahead == found.gradient == 0
    assert 0 < found.drift < 1e-5


@pytest.mark.parametrize(
    ("config", "model", "settings", "reason"),
    [
        (
            "MambaConfig",
            "MambaForCausalLM",
            {"state_size": 4},
            r"linear_attention \(MambaMixer\): exchanging one",
        ),
        (
            "Lfm2Config",
            "Lfm2ForCausalLM",
            {"layer_types": ["conv", "full_attention"]},
            r"conv \(Lfm2ShortConv\)",
        ),
        (
            "BloomConfig",
            "BloomForCausalLM",
            {"n_head": 4},
            "BloomAttention: its attention cannot be exchanged",
        ),
        ("StableLmConfig", "StableLmForCausalLM", {}, "in StableLmAttention, .* without the lengths"),
    ],
)
def test_models_that_mix_tokens_otherwise_run_one_per_row_with_the_layer_named(
    config: str, model: str, settings: dict[str, Any], reason: str
) -> None:
    made = isolate(build(config, model, **settings))
    way = way_of(made)
    assert (way.name, way.is_padded) == ("one per row", True)
    assert re.search(reason, way.reason)
    assert way.reason in way.sentence()
    found = measured_isolation(made)
    assert found.leak == found.ahead == found.gradient == 0


@pytest.mark.parametrize(
    ("config", "model", "settings", "reason"),
    [
        ("BertConfig", "BertLMHeadModel", {}, "BertSelfAttention: it looks ahead"),
        (
            "T5Config",
            "T5ForConditionalGeneration",
            {"d_model": 8, "num_layers": 1, "d_ff": 8},
            "it has an encoder",
        ),
    ],
)
def test_models_that_see_the_future_are_refused_with_their_type(
    config: str, model: str, settings: dict[str, Any], reason: str
) -> None:
    made = build(config, model, **settings)
    with pytest.raises(RefusedError, match=f'of type "{made.config.model_type}" cannot be trained: {reason}'):
        isolate(made)
    with pytest.raises(InputError, match="has not been measured"):
        way_of(made)


class Neighbourly(nn.Module):
    """Adds to every token something of the token before it, whichever document that is of."""

    def __init__(self, norm: nn.Module, *, share: float = 0.1, when: str = "always") -> None:
        super().__init__()
        self.norm, self.share, self.when = norm, share, when

    def forward(self, states: Tensor) -> Tensor:
        before = F.pad(states, (0, 0, 1, 0))[:, :-1]
        if self.when == "in training":
            before = before * self.training
        if self.when == "in the gradient":
            before = before - before.detach()
        return torch.as_tensor(self.norm(states + self.share * before))


@pytest.mark.parametrize(
    ("share", "when", "reason"),
    [
        (0.1, "always", "Neighbourly: exchanging one document changes others by 0"),
        (1e-5, "always", r"exchanging one document changes others by \d"),
        (0.1, "in training", "exchanging one document changes others by 0"),
        (0.1, "in the gradient", "has a gradient of .* by the tokens of others"),
    ],
)
def test_a_leak_beside_the_attention_is_found_by_measurement(share: float, when: str, reason: str) -> None:
    model = make("Llama")
    model.model.norm = Neighbourly(model.model.norm, share=share, when=when)
    way = way_of(isolate(model))
    assert way.name == "one per row"
    assert re.search(reason, way.reason)
    assert not is_isolated(model)
    assert model.config._attn_implementation == "eager"


@for_each(["Llama", "GPT-2", "Mistral", "gpt-oss"])
def test_a_leaky_attention_is_never_called_isolated(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaky(heads: Heads, documents: Documents, settings: Settings) -> Tensor:
        """Let the last document see the one before it."""
        joined = (*documents.lengths[:-2], sum(documents.lengths[-2:]))
        return within_documents(heads, replace(documents, lengths=joined), settings)

    monkeypatch.setattr("twosignal.model.attention.within_documents", leaky)
    way = way_of(isolate(make(family)))
    assert way.name == "one per row"
    assert re.search(r"Attention\)?: exchanging one document changes others by", way.reason)


def test_looking_ahead_is_found_in_whatever_layer() -> None:
    class Prophetic(Neighbourly):
        def forward(self, states: Tensor) -> Tensor:
            return torch.as_tensor(self.norm(states + 1e-4 * F.pad(states, (0, 0, 0, 1))[:, 1:]))

    model = make("Llama")
    model.model.norm = Prophetic(model.model.norm)
    with pytest.raises(RefusedError, match="Prophetic: it looks ahead: exchanging a later token changes"):
        isolate(model)


def test_padding_that_is_seen_gives_every_document_a_call_of_its_own() -> None:
    class Averaging(Neighbourly):
        """Scales by the number of tokens in the call: harmless alone, wrong beside padding."""

        def forward(self, states: Tensor) -> Tensor:
            return torch.as_tensor(self.norm(states)) * (1 + 0.01 * states.shape[1])

    model = make("Llama")
    model.model.norm = Averaging(model.model.norm)
    way = way_of(isolate(model))
    assert (way.name, way.is_padded) == ("one per row", False)
    assert "each in a call of its own" in way.sentence()


def test_positions_that_run_on_are_found_by_measurement() -> None:
    model = make("GPT-2")

    def run_on(
        _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        places = torch.arange(kwargs["input_ids"].shape[1])[None]
        return args, {**kwargs, "position_ids": places}

    model.transformer.register_forward_pre_hook(run_on, with_kwargs=True)
    way = way_of(isolate(model))
    assert way.name == "one per row"
    assert "packed documents differ from the same alone" in way.reason


def test_windows_far_longer_than_the_probe_are_measured_and_left_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An attention that ignores the window of 4,096 tokens that its layers have; the probe has 40."""

    def boundless(heads: Heads, documents: Documents, settings: Settings) -> Tensor:
        return within_documents(heads, documents, replace(settings, window=None))

    wide = {"sliding_window": 4096, "max_position_embeddings": 8192}
    model = isolate(make("Mistral", **wide))
    assert is_isolated(model)
    assert model.config.sliding_window == 4096
    monkeypatch.setattr("twosignal.model.attention.within_documents", boundless)
    assert "differ from the same alone" in way_of(isolate(make("Mistral", **wide))).reason


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["Qwen3", "gpt-oss"])
def test_half_precision_weights_are_isolated_to_the_last_bit(family: str, dtype: torch.dtype) -> None:
    model = isolate(make(family).to(dtype))
    assert is_isolated(model)
    found = measured_isolation(model)
    assert found.leak <= (1e-6 if family == "gpt-oss" else 0)
    assert found.gradient == 0


def test_a_context_shorter_than_the_probe_is_no_hindrance() -> None:
    assert is_isolated(isolate(make("GPT-2", n_positions=8)))


def test_lora_is_trained_and_learned_prompts_are_refused() -> None:
    peft = pytest.importorskip("peft")
    warnings.simplefilter("ignore")  # transformers warns of what peft calls
    settings = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], init_lora_weights=False)
    adapted = isolate(peft.get_peft_model(make("Llama"), settings))
    assert is_isolated(adapted)
    states = hidden_states(adapted, *flat(random_documents([5, 9])))
    assert not torch.allclose(states, hidden_states(isolate(make("Llama")), *flat(random_documents([5, 9]))))
    states.sum().backward()
    assert any(p.grad is not None for name, p in adapted.named_parameters() if "lora" in name)
    for kind, name in (("PromptTuningConfig", "prompt tuning"), ("PrefixTuningConfig", "prefix tuning")):
        made = getattr(peft, kind)(task_type="CAUSAL_LM", num_virtual_tokens=3)
        with pytest.raises(RefusedError, match=f"{name} puts learned tokens before a row"):
            isolate(peft.get_peft_model(make("Llama"), made))


def test_a_model_whose_attention_was_exchanged_afterwards_is_not_run() -> None:
    model = isolate(make("Llama"))
    model.set_attn_implementation("sdpa")
    with pytest.raises(InputError, match="has not been measured.*found attention sdpa"):
        hidden_states(model, *flat(random_documents([5, 9])))


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
