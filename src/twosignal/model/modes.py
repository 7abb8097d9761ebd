"""Evaluation or training for a while: takes a model, runs a block in that mode, and puts everything back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch every module to evaluation and gradients off; afterwards each module is as it was before."""
    with _mode(model, is_training=False), torch.no_grad():
        yield


@contextmanager
def training(model: nn.Module) -> Iterator[None]:
    """Switch every module to training; afterwards each module is as it was before."""
    with _mode(model, is_training=True):
        yield


@contextmanager
def _mode(model: nn.Module, *, is_training: bool) -> Iterator[None]:
    before = [(module, module.training) for module in model.modules()]
    model.train(is_training)
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode
