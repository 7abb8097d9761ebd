"""Shapes to grow from scratch: takes a preset's name and a vocabulary, gives a model with fresh weights.

Growing is reproducible: weights come from a generator of their own, in the order of their
names, and the global random state is left as it was.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from twosignal.errors import ConfigError
from twosignal.model.isolation import isolate

DEVIATION = 0.02
"""Standard deviation of fresh weights at GPT-2's width of 768; narrower models get more, as the root of the width.

Measured with Qwen3 parts, 200 steps of 4,096 tokens: loss 2.40 at 0.02, 2.20 at 0.035, 2.25 at 0.05, 2.39 at 0.08
for width 256; 2.62 at 0.02 and 2.40 at 0.05 for width 128.
"""
OUTPUT_PROJECTIONS = ("o_proj.weight", "down_proj.weight", "c_proj.weight")
"""Matrices that write into the residual stream; theirs is smaller by the root of their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A shape, without its vocabulary."""

    description: str
    recipe: Literal["gpt2", "modern"]
    """gpt2: learned positions, layer norms, biases, untied head. modern: rotary positions, RMS norms
    (of queries and keys too), gated MLP, no biases, tied head."""
    width: int
    layers: int
    heads: int
    inner: int
    """Width of the MLP."""
    context: int
    """Longest row, unless another is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialIds:
    """Token ids that a model's configuration names."""

    bos: int | None = None
    """Begins a document."""
    eos: Sequence[int] = ()
    """Each of them ends a generated text."""
    pad: int | None = None
    """Fills rows up."""


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "tiny": Preset(
            description="1.6M parameters beside the embeddings, for minutes on two CPU cores (Qwen3 class)",
            recipe="modern",
            width=256,
            layers=2,
            heads=4,
            inner=704,
            context=512,
        ),
        "andrea-12m": Preset(
            description="the shape of ANDREA-12M: 12.8M parameters with a vocabulary of 2305, GPT-2 class",
            recipe="gpt2",
            width=384,
            layers=6,
            heads=12,
            inner=1536,
            context=1024,
        ),
        "andrea-120m": Preset(
            description="the shape of ANDREA-120M: 98.7M parameters with a vocabulary of 8449, GPT-2 class",
            recipe="gpt2",
            width=768,
            layers=12,
            heads=12,
            inner=3072,
            context=1024,
        ),
        "modern-12m": Preset(
            description="as deep and wide as andrea-12m with today's parts (Qwen3 class), head size 64",
            recipe="modern",
            width=384,
            layers=6,
            heads=6,
            inner=1024,
            context=1024,
        ),
        "modern-120m": Preset(
            description="as deep and wide as andrea-120m with today's parts (Qwen3 class), head size 64",
            recipe="modern",
            width=768,
            layers=12,
            heads=12,
            inner=2048,
            context=1024,
        ),
    }
)


def grow(
    preset: str,
    *,
    vocab_size: int,
    seed: int,
    context: int | None = None,
    special: SpecialIds | None = None,
) -> PreTrainedModel:
    """Return a model of the preset's shape with fresh float32 weights, without dropout, on the CPU.

    context: longest row in tokens; default: the preset's. Raises ConfigError for an unknown preset.
    """
    shape = find_preset(preset)
    special = special or SpecialIds()
    with torch.random.fork_rng(devices=[]):
        model = _build(shape, vocab_size=vocab_size, context=context or shape.context, special=special)
    _fill(model, shape, seed=seed)
    return isolate(model)


def find_preset(name: str) -> Preset:
    """Return a preset by its name; raises ConfigError that suggests the nearest."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=1)
    raise ConfigError(
        f'there is no preset "{name}"',
        where="model.preset",
        expected=", ".join(PRESETS),
        remedy=f'Did you mean "{near[0]}"?' if near else "",
    )


def count_parameters(model: PreTrainedModel) -> int:
    """Return the number of weights; tied matrices count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def estimate_parameters(width: int, layers: int, *, context: int, vocab: int) -> int:
    """Return the matrices and tables of a GPT-2 class model with an untied head.

    12 width^2 layers + context width + 2 vocab width. GPT-2's biases and norms come on top:
    13 width layers + 2 width.
    """
    return 12 * width**2 * layers + context * width + 2 * vocab * width


def _build(shape: Preset, *, vocab_size: int, context: int, special: SpecialIds) -> PreTrainedModel:
    ids = {
        "bos_token_id": special.bos,
        "eos_token_id": list(special.eos) or None,
        "pad_token_id": special.pad,
    }
    if shape.recipe == "gpt2":
        gpt2 = GPT2Config(
            vocab_size=vocab_size,
            n_positions=context,
            n_embd=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            n_inner=shape.inner,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            tie_word_embeddings=False,
            **ids,
        )
        return GPT2LMHeadModel(gpt2)
    qwen3 = Qwen3Config(
        vocab_size=vocab_size,
        max_position_embeddings=context,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        head_dim=shape.width // shape.heads,
        tie_word_embeddings=True,
        **ids,
    )
    return Qwen3ForCausalLM(qwen3)


@torch.no_grad()
def _fill(model: PreTrainedModel, shape: Preset, *, seed: int) -> None:
    """Draw every matrix from a small normal distribution; norms are 1 and biases 0."""
    usual = DEVIATION * (768 / shape.width) ** 0.5
    output = usual / (2 * shape.layers) ** 0.5
    generator = torch.Generator().manual_seed(seed)
    parameter: Tensor
    for name, parameter in model.named_parameters():
        if parameter.ndim >= 2:
            deviation = output if name.endswith(OUTPUT_PROJECTIONS) else usual
            parameter.normal_(0.0, deviation, generator=generator)
        else:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
