"""How a model runs a packed row: takes a model, gives its `Way`, which `isolate` has measured and written down on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from transformers import PreTrainedModel
from transformers.utils import logging

from twosignal.errors import InputError

OURS = "twosignal"
"""Name of our function in transformers' attention table."""
PLAIN = "eager"
"""Name of the models' own attention in plain steps."""
WAY = "twosignal_way"
"""Attribute of a model that holds its way; transformers does not save it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of running a packed row."""

    name: Literal["isolated", "one per row"]
    """isolated: one sequence, our attention. one per row: every document in a row of its own, the model's code."""
    attention: str
    """The model's own attention implementation, which it had before ours."""
    reason: str = ""
    """Why the row is not run as one sequence, with the layers that mix documents and by how much."""
    is_padded: bool = True
    """One per row: whether documents of like length share a call, padded at the end."""

    @property
    def is_isolated(self) -> bool:
        """Return whether the row is one sequence under our attention."""
        return self.name == "isolated"

    def sentence(self) -> str:
        """Return the way in words, for a receipt."""
        if self.is_isolated:
            return "packed rows run as one sequence, each document isolated"
        how = "" if self.is_padded else ", each in a call of its own"
        return f"every document runs in a row of its own{how}: {self.reason}"


def causal_model(model: nn.Module) -> PreTrainedModel:
    """Return transformers' model itself, where adapters (PEFT) are wrapped around it."""
    inside: Any = getattr(model, "get_base_model", None)
    given: Any = inside() if inside else model
    found: PreTrainedModel = given
    return found


def body(model: nn.Module) -> nn.Module:
    """Return the part of the model that gives hidden states, without its output layer."""
    inner = causal_model(model)
    found: nn.Module = inner.base_model
    if found is inner:
        found = next((part for part in inner.children() if isinstance(part, PreTrainedModel)), found)
    return found


def way_of(model: nn.Module) -> Way:
    """Return how the model runs packed rows; raises InputError if that has not been measured."""
    way: Way | None = getattr(causal_model(model), WAY, None)
    if way is None or way.is_isolated != (attention_of(model) == OURS):
        message = "it has not been measured how the model, as it is now, keeps documents apart"
        found = f"attention {attention_of(model)}"
        raise InputError(message, found=found, remedy="Call isolate(model) first.")
    return way


def is_isolated(model: nn.Module) -> bool:
    """Return whether packed rows run as one sequence under our attention."""
    way: Way | None = getattr(causal_model(model), WAY, None)
    return way is not None and way.is_isolated and attention_of(model) == OURS


def attention_of(model: nn.Module) -> str:
    """Return the name of the attention implementation in use."""
    config: Any = body(model).config
    return str(config._attn_implementation)


def adopt(model: nn.Module, way: Way | None) -> None:
    """Write the way down on the model, or strike it out; its attention is set apart, by `set_attention`."""
    setattr(causal_model(model), WAY, way)


def set_attention(model: nn.Module, name: str) -> bool:
    """Set an attention implementation throughout the model; return whether it can be set there."""
    inner = causal_model(model)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        inner.set_attn_implementation(name)
    except (ValueError, ImportError):
        return False
    finally:
        logging.set_verbosity(verbosity)
    return attention_of(model) == name


@contextmanager
def own_attention(model: nn.Module) -> Iterator[None]:
    """Let the model compute attention by its own plain code for a while, where it has such a choice."""
    before = attention_of(model)
    try:
        if before != PLAIN:
            set_attention(model, PLAIN)
        yield
    finally:
        if before != PLAIN:
            set_attention(model, before)
