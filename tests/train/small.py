"""Small things to train on: takes nothing, gives rows written by hand, tiny models, and whole set-up runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from tests.packs.conftest import example
from twosignal.config import Config
from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.policy import Arm
from twosignal.curriculum.still import proportional
from twosignal.model.head import measured_head
from twosignal.model.isolation import isolate
from twosignal.packs.pack import Pack, lay_row
from twosignal.tokens.training import train_tokenizer
from twosignal.train.batch import Learner
from twosignal.train.setup import Setup, build

FAMILIES = ("llama", "qwen3", "gpt2")
VOCAB = 61


def row(*parts: tuple[Sequence[int], str], source: str = "chat") -> Pack:
    """A row of whole examples, each given by its ids and its mask."""
    examples = [example(ids, mask, line=line) for line, (ids, mask) in enumerate(parts, 1)]
    return lay_row(source, [(n, 0, len(e.ids), e) for n, e in enumerate(examples)])


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a tiny model is made of; weights are large enough for every part to count."""

    vocab: int = VOCAB
    width: int = 16
    layers: int = 2
    is_tied: bool = False
    deviation: float = 0.3
    context: int = 128


def stock_model(family: str, shape: Shape | None = None, *, seed: int = 0) -> PreTrainedModel:
    """A model with random weights as transformers makes it, its own attention in it."""
    shape = shape or Shape()
    common: dict[str, Any] = {
        "vocab_size": shape.vocab,
        "initializer_range": shape.deviation,
        "tie_word_embeddings": shape.is_tied,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }
    rotary: dict[str, Any] = {
        **common,
        "hidden_size": shape.width,
        "intermediate_size": 2 * shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": shape.context,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if family == "llama":
            model = LlamaForCausalLM(LlamaConfig(**rotary))
        elif family == "qwen3":
            model = Qwen3ForCausalLM(Qwen3Config(**rotary, head_dim=shape.width // 4))
        else:
            learned: dict[str, Any] = {
                "n_embd": shape.width,
                "n_layer": shape.layers,
                "n_head": 4,
                "n_positions": shape.context,
            }
            model = GPT2LMHeadModel(
                GPT2Config(**common, **learned, embd_pdrop=0, attn_pdrop=0, resid_pdrop=0)
            )
    return model


def tiny_model(family: str = "llama", shape: Shape | None = None, *, seed: int = 0) -> PreTrainedModel:
    """The same with our attention in it."""
    return isolate(stock_model(family, shape, seed=seed))


def learner_of(model: PreTrainedModel, *, autocast: torch.dtype | None = None) -> Learner:
    """A learner on the CPU; token i stands for i % 4 bytes."""
    vocab = int(model.get_input_embeddings().weight.shape[0])
    return Learner(
        model=model,
        head=measured_head(model),
        token_bytes=torch.arange(vocab) % 4,
        device=torch.device("cpu"),
        autocast=autocast,
    )


def config(*, source: Mapping[str, Any] | None = None, **tables: Mapping[str, Any]) -> Config:
    """A run file: byte tokens, a tiny preset, one source of chats; `tables` add to it or replace its keys."""
    values: dict[str, dict[str, Any]] = {
        "run": {"name": "small", "steps": 4},
        "model": {"preset": "tiny", "context": 64},
        "tokenizer": {"kind": "bytes"},
        "rows": {"tokens": 64, "per_step": 2},
        "sources": {"chat": {"path": "chat.jsonl", **(source or {})}},
        "samples": {"tokens": 4, "panel": 2, "every": 2},
        "probes": {"every": 2},
        "train": {"precision": "float32", "device": "cpu", "compile": "off"},
    }
    if {"epochs", "tokens", "hours"} & tables.get("run", {}).keys():
        del values["run"]["steps"]
    for name, table in tables.items():
        values[name] = {**values.get(name, {}), **table}
    return Config.model_validate(values)


def write_chats(path: Path, *chats: Sequence[tuple[str, str]]) -> None:
    """Write conversations of (role, content) as JSON lines."""
    lines = [{"messages": [{"role": role, "content": text} for role, text in chat]} for chat in chats]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def some_chats(number: int) -> list[list[tuple[str, str]]]:
    """Conversations of 16 to 40 bytes, no two alike."""
    return [[("user", f"what is {n}?"), ("assistant", "n" * (n % 13) + str(n))] for n in range(number)]


def small_setup(
    folder: Path, *, chats: int = 24, source: Mapping[str, Any] | None = None, **tables: Mapping[str, Any]
) -> Setup:
    """A set-up run on `chats` conversations, its grown model exchanged for a still smaller one."""
    write_chats(folder / "chat.jsonl", *some_chats(chats))
    setup = build(config(source=source, **tables), folder=folder, runs_dir=folder / "runs", say=quiet)
    shape = Shape(vocab=setup.vocabulary, is_tied=True, deviation=0.02, context=setup.context)
    model = tiny_model("qwen3", shape, seed=setup.config.run.seed)
    model.generation_config.eos_token_id = list(setup.tokenizer.stop_ids)
    setup.learner = replace(setup.learner, model=model.train(), head=measured_head(model))
    return setup


def bare_setup(learner: Learner, *, rows_per_pass: int) -> Setup:
    """A set-up run without data, for what is given its rows."""
    arms = [Arm(name="chat", rows=1, documents=1)]
    return Setup(
        config=config(),
        tokenizer=train_tokenizer([], kind="bytes", vocab=265),
        sources={},
        learner=learner,
        curriculum=Curriculum(arms, proportional(arms)),
        steps=1,
        row_tokens=64,
        context=64,
        rows_per_pass=rows_per_pass,
    )


def quiet(_: str) -> None:
    """Say nothing."""


def weights_of(model: PreTrainedModel) -> dict[str, Tensor]:
    """A copy of all weights by name."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def gradients_of(model: PreTrainedModel) -> dict[str, Tensor]:
    """A copy of all gradients by name; 0 where there is none."""
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
    }


def largest_difference(some: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> float:
    """Largest difference of a tensor from another, relative to its own largest entry."""
    assert some.keys() == others.keys()
    assert some
    shares = [
        float((some[name] - others[name]).abs().max() / others[name].abs().max().clamp_min(1e-12))
        for name in others
    ]
    return max(shares)


def stock_losses(model: PreTrainedModel, ids: Sequence[int]) -> Tensor:
    """-log softmax of every successor in one text, by transformers' own code: [tokens - 1]; differentiable."""
    logits = model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0, :-1].float()
    chances = logits.log_softmax(-1)
    losses: Tensor = -chances[torch.arange(len(ids) - 1), torch.tensor(list(ids[1:]))]
    return losses
