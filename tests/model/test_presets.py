"""Grown models have the promised shape, the same weights for the same seed, and what a run needs."""

import pytest
import torch
from transformers import GPT2LMHeadModel, PreTrainedModel, Qwen3ForCausalLM

from twosignal.errors import ConfigError
from twosignal.model.presets import (
    PRESETS,
    SpecialIds,
    _build,
    count_parameters,
    estimate_parameters,
    grow,
)


def shape_only(name: str, vocab_size: int) -> PreTrainedModel:
    """Build a preset's class on torch's meta device: no memory, no time."""
    with torch.device("meta"):
        return _build(
            PRESETS[name], vocab_size=vocab_size, context=PRESETS[name].context, special=SpecialIds()
        )


def test_the_estimate_gives_the_published_sizes_of_the_andrea_models() -> None:
    assert estimate_parameters(384, 6, context=1024, vocab=2305) == 12_780_288
    assert estimate_parameters(768, 12, context=1024, vocab=8449) == 98_698_752


@pytest.mark.parametrize(
    ("name", "vocab_size", "width", "layers"), [("andrea-12m", 2305, 384, 6), ("andrea-120m", 8449, 768, 12)]
)
def test_biases_and_norms_come_on_top_of_the_estimate(
    name: str, vocab_size: int, width: int, layers: int
) -> None:
    matrices = estimate_parameters(width, layers, context=1024, vocab=vocab_size)
    assert count_parameters(shape_only(name, vocab_size)) == matrices + 13 * width * layers + 2 * width


def test_the_tiny_preset_has_under_two_million_parameters_beside_the_embeddings() -> None:
    model = shape_only("tiny", 2048)
    blocks = 2 * (4 * 256**2 + 3 * 256 * 704)
    norms = 2 * (2 * 256 + 2 * 64) + 256
    assert count_parameters(model) == blocks + norms + 2048 * 256 == 2_131_456


def test_modern_presets_have_the_depth_and_width_of_their_namesakes() -> None:
    for size in ("12m", "120m"):
        modern, andrea = PRESETS[f"modern-{size}"], PRESETS[f"andrea-{size}"]
        assert (modern.width, modern.layers) == (andrea.width, andrea.layers)
        assert modern.width // modern.heads == 64


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_describes_itself_in_a_line(name: str) -> None:
    assert 20 < len(PRESETS[name].description) < 110


def test_the_same_seed_grows_the_same_model_whatever_the_random_state() -> None:
    first = grow("tiny", vocab_size=300, seed=1)
    torch.rand(3)
    second, other = grow("tiny", vocab_size=300, seed=1), grow("tiny", vocab_size=300, seed=2)
    pairs = list(zip(first.parameters(), second.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.get_input_embeddings().weight, other.get_input_embeddings().weight)


def test_growing_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    grow("tiny", vocab_size=300, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["tiny", "andrea-12m"])
def test_fresh_weights_are_small_and_smaller_where_they_write_into_the_stream(name: str) -> None:
    model = grow(name, vocab_size=300, seed=0, context=64)
    layers, width = PRESETS[name].layers, PRESETS[name].width
    usual = 0.02 * (768 / width) ** 0.5
    for label, parameter in model.named_parameters():
        if label.endswith(("o_proj.weight", "down_proj.weight", "c_proj.weight")):
            assert float(parameter.detach().std()) == pytest.approx(usual / (2 * layers) ** 0.5, rel=0.1)
        elif parameter.ndim == 2:
            assert float(parameter.detach().std()) == pytest.approx(usual, rel=0.1)
        else:
            assert parameter.unique().tolist() == [0.0 if label.endswith("bias") else 1.0]


def test_a_grown_model_says_what_it_was_asked_for() -> None:
    special = SpecialIds(bos=1, eos=(2, 5), pad=0)
    model = grow("tiny", vocab_size=300, context=64, seed=0, special=special)
    assert isinstance(model, Qwen3ForCausalLM)
    config = model.config
    assert (config.vocab_size, config.max_position_embeddings) == (300, 64)
    assert (config.bos_token_id, list(config.eos_token_id), config.pad_token_id) == (1, [2, 5], 0)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.dtype == torch.float32


def test_the_andrea_class_is_gpt2_with_an_untied_head_and_no_dropout() -> None:
    model = grow("andrea-12m", vocab_size=300, context=64, seed=0)
    assert isinstance(model, GPT2LMHeadModel)
    assert model.lm_head.weight is not model.transformer.wte.weight
    assert model.transformer.wpe.weight.shape == (64, 384)
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {0.0}


def test_an_unknown_preset_is_an_error_that_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'no preset "andrea-12"') as caught:
        grow("andrea-12", vocab_size=300, seed=0)
    assert 'Did you mean "andrea-12m"?' in str(caught.value)
    assert "tiny, andrea-12m" in str(caught.value)
