"""Small random models of many families: takes a family's name, gives a model whose every layer matters."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import PreTrainedModel

VOCABULARY = 211
CONTEXT = 96
WINDOW = 12

COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT2: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": CONTEXT,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Llama": ("LlamaConfig", "LlamaForCausalLM", COMMON),
    "Qwen2": ("Qwen2Config", "Qwen2ForCausalLM", COMMON),
    "Qwen3": ("Qwen3Config", "Qwen3ForCausalLM", COMMON),
    "Mistral": ("MistralConfig", "MistralForCausalLM", {**COMMON, "sliding_window": WINDOW}),
    "Gemma2": ("Gemma2Config", "Gemma2ForCausalLM", {**COMMON, "sliding_window": WINDOW}),
    "Gemma3": (
        "Gemma3TextConfig",
        "Gemma3ForCausalLM",
        {**COMMON, "sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "OLMo2": ("Olmo2Config", "Olmo2ForCausalLM", COMMON),
    "SmolLM3": ("SmolLM3Config", "SmolLM3ForCausalLM", {**COMMON, "num_hidden_layers": 4}),
    "gpt-oss": (
        "GptOssConfig",
        "GptOssForCausalLM",
        {**COMMON, "sliding_window": WINDOW, "num_local_experts": 4},
    ),
    "Granite": ("GraniteConfig", "GraniteForCausalLM", {**COMMON, "logits_scaling": 8.0}),
    "Phi": ("PhiConfig", "PhiForCausalLM", {**COMMON, "num_key_value_heads": 4}),
    "GPT-2": ("GPT2Config", "GPT2LMHeadModel", GPT2),
}
OTHERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Mamba": (
        "MambaConfig",
        "MambaForCausalLM",
        {**COMMON, "num_key_value_heads": 4, "state_size": 8},
    ),
    "Qwen3-Next": (
        "Qwen3NextConfig",
        "Qwen3NextForCausalLM",
        {
            **COMMON,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
            "num_experts": 4,
            "num_experts_per_tok": 2,
        },
    ),
    "Bloom": (
        "BloomConfig",
        "BloomForCausalLM",
        {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4, "pad_token_id": 0},
    ),
    "GPT": ("OpenAIGPTConfig", "OpenAIGPTLMHeadModel", {**GPT2, "n_positions": CONTEXT}),
}
"""Models that run every document in a row of its own: state-space, hybrid, and attention outside the table."""


def make(family: str, **changes: Any) -> PreTrainedModel:
    """Return a random model in evaluation mode, with transformers' own eager attention."""
    config, model, settings = {**FAMILIES, **OTHERS}[family]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: PreTrainedModel = getattr(transformers, model)(
            getattr(transformers, config)(**{**settings, **changes})
        )
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    made.set_attn_implementation("eager")
    return made.eval()


def random_documents(lengths: Sequence[int], seed: int = 0) -> list[Tensor]:
    """Return ids without special ones."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCABULARY, (length,), generator=generator) for length in lengths]


def flat(documents: Sequence[Tensor]) -> tuple[Tensor, Tensor, list[int]]:
    """Return ids, positions and lengths of documents laid end to end."""
    lengths = [len(document) for document in documents]
    return torch.cat(list(documents)), torch.cat([torch.arange(n) for n in lengths]), lengths


def for_each(names: Sequence[str] = tuple(FAMILIES)) -> Callable[[Any], Any]:
    """Run a test once for each family."""
    return pytest.mark.parametrize("family", list(names))
