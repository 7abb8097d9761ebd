"""Arithmetic of shapes that cases ask for: takes presets and sizes, gives counts of the models that are really built."""

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from twosignal.model.attention import hidden_states
from twosignal.model.presets import find_preset, grow
from twosignal.train.optimizer import LearningRate


def token_table(vocab: int, width: int) -> int:
    """Return the numbers in the token table of a GPT-2 of this size, built without memory."""
    with torch.device("meta"):
        model = GPT2LMHeadModel(GPT2Config(vocab_size=vocab, n_embd=width, n_head=12, n_layer=1))
    return int(model.get_input_embeddings().weight.numel())


def parameters(preset: str, vocab: int) -> int:
    return sum(one.numel() for one in grow(preset, vocab_size=vocab, seed=0).parameters())


def head_size(preset: str) -> int:
    shape = find_preset(preset)
    return shape.width // shape.heads


def attention_scores(preset: str) -> int:
    return find_preset(preset).context ** 2


def warmup_factors(*, warmup: int, steps: int, at: list[int]) -> list[float]:
    """Return the factor at each t, counted from 0, of a schedule that is constant after its warmup."""
    rate = LearningRate(schedule="constant", steps=steps, warmup=warmup, decay=0.0, end=0.0)
    return [rate.factor(t + 1) for t in at]


def positions_reached(*, attends: bool) -> list[int]:
    """Return the positions whose hidden state changes when token 3 of 6 is changed.

    Without attention every position is a document of its own.
    """
    model = grow("tiny", vocab_size=300, seed=0).eval()
    before, after = torch.arange(10, 16), torch.arange(10, 16)
    after[3] = 99
    lengths = [6] if attends else [1] * 6
    positions = torch.arange(6) if attends else torch.zeros(6, dtype=torch.long)
    with torch.no_grad():
        states = [hidden_states(model, ids, positions, lengths).float().numpy() for ids in (before, after)]
    moved = np.abs(states[0] - states[1]).max(axis=-1) > 1e-6
    return [int(place) for place in np.flatnonzero(moved)]
