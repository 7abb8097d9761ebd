"""Their code, run safely: takes calls into a trainer, gives their results or a sentence, and leaves the trainer as it was."""

import copy
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch

from twosignal.errors import TwosignalError

Result = TypeVar("Result")
LONGEST_SENTENCE = 300
"""Characters of a foreign error message that are kept."""


class ForeignError(TwosignalError):
    """Code of the trainer, or code its owner gave it, raised an error during the proof."""


def attempt(what: str, call: Callable[[], Result]) -> Result:
    """Return what the call returns; whatever it raises becomes a ForeignError that says what was tried."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()
    except Exception as error:
        words = " ".join(str(error).split())[:LONGEST_SENTENCE]
        raise ForeignError(f"{what} raised {type(error).__name__}: {words}") from error


@contextmanager
def untouched(trainer: Any) -> Iterator[None]:  # noqa: ANN401 (any transformers trainer)
    """Run a block; afterwards trainer, model modes, gradients and random numbers are as before."""
    model = trainer.model
    before = dict(vars(trainer))
    # Lists of metrics grow in place.
    kept = {name: copy.deepcopy(before[name]) for name in ("_metrics", "metrics") if name in before}
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(weight, weight.grad) for weight in model.parameters()]
    with _random_numbers_kept(), _loaders_kept(trainer), _quiet_datasets():
        try:
            yield
        finally:
            for name in set(vars(trainer)) - set(before):
                delattr(trainer, name)
            vars(trainer).update(before | kept)
            for module, mode in modes:
                module.training = mode
            for weight, gradient in gradients:
                weight.grad = gradient


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    on_device = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if on_device:
            torch.cuda.set_rng_state_all(on_device)


@contextmanager
def _loaders_kept(trainer: Any) -> Iterator[None]:  # noqa: ANN401
    """Let accelerate forget the data loaders that are made meanwhile."""
    accelerator = trainer.accelerator
    loaders = accelerator._dataloaders
    references = accelerator.gradient_state._dataloader_references_ref
    before = list(loaders), list(references)
    try:
        yield
    finally:
        loaders[:], references[:] = before


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    """Let the datasets library draw no bars and leave no files, where it is in use."""
    datasets = sys.modules.get("datasets")
    if datasets is None:
        yield
        return
    had_bars, had_cache = not datasets.are_progress_bars_disabled(), datasets.is_caching_enabled()
    datasets.disable_progress_bars()
    datasets.disable_caching()
    try:
        yield
    finally:
        if had_bars:
            datasets.enable_progress_bars()
        if had_cache:
            datasets.enable_caching()


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Give a block the same random numbers every time, so that dropout repeats itself."""
    with _random_numbers_kept():
        torch.manual_seed(seed)
        yield
