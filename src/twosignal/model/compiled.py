"""Compiled layers: takes a model, gives the same model with faster training steps; generation stays uncompiled."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel

from twosignal.model.way import body, is_isolated


def compile_layers(model: PreTrainedModel) -> None:
    """Compile the model's body in place, for rows of any length; attention stays outside the graph.

    Models that run one document per row are left as they are: their shapes change with every call.
    The first steps take seconds more. Which kernels run may depend on the shapes seen before, so a
    resumed run may differ in the last bits.
    """
    if is_isolated(model):
        body(model).compile(dynamic=True)


@contextmanager
def uncompiled(model: PreTrainedModel) -> Iterator[None]:
    """Run a block without the compiled code: a cache that grows token by token would compile without end."""
    if getattr(body(model), "_compiled_call_impl", None) is None:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
