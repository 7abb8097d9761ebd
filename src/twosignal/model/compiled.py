"""Compiled layers: takes a model, gives the same model with faster training steps; generation stays uncompiled."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel


def compile_layers(model: PreTrainedModel) -> None:
    """Compile the model's body in place, for rows of any length; attention stays outside the graph.

    The first steps take seconds more. Which kernels run may depend on the shapes seen before, so a
    resumed run may differ in the last bits.
    """
    model.base_model.compile(dynamic=True)


@contextmanager
def uncompiled(model: PreTrainedModel) -> Iterator[None]:
    """Run a block without the compiled code: a cache that grows token by token would compile without end."""
    if getattr(model.base_model, "_compiled_call_impl", None) is None:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
