"""How a model turns hidden states into logits: takes the model, gives its `Head`, checked by measurement.

In most models the head is one linear map, and the loss may then work on its weight in chunks.
Some bend or scale the logits (Gemma 2, Granite, Cohere); theirs are computed by the
model's own code, handed the states in place of its body's. Which of the two is right is
found by comparing logits, not by the model's name.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn
from transformers import PreTrainedModel

from twosignal.errors import RefusedError
from twosignal.model.attention import document_inputs, shape_step
from twosignal.model.modes import evaluating
from twosignal.model.way import body, causal_model

TOLERANCE = 1e-4
"""Largest difference of logits that counts as rounding, as a share of the largest logit."""
LARGE_LOGIT = 200.0
"""Probe states are scaled to reach this: a soft cap shows only on large logits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last step of a model, from hidden states to logits."""

    model: PreTrainedModel
    is_linear: bool
    """Whether the logits are the output embedding's linear map and nothing more."""

    @property
    def weight(self) -> Tensor | None:
        """The linear map [vocabulary, width], live and trainable; None if the head is not linear."""
        return _output_embedding(self.model).weight if self.is_linear else None

    @property
    def bias(self) -> Tensor | None:
        """The linear map's bias [vocabulary]; None if there is none."""
        return _output_embedding(self.model).bias if self.is_linear else None

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the model's logits [tokens, vocabulary] of its last hidden states [tokens, width]."""
        if self.is_linear:
            return _linear_logits(self.model, hidden)
        return _own_logits(self.model, hidden)


def measured_head(model: PreTrainedModel) -> Head:
    """Find out how the model makes logits, on a few tokens; raises RefusedError if neither way gives them."""
    model = causal_model(model)
    weight = model.get_input_embeddings().weight
    ids = (torch.arange(8) * 5 + 1) % weight.shape[0]
    inputs = document_inputs(model, ids.to(weight.device))
    with evaluating(model):
        logits = model(**inputs).logits.squeeze(0)
        hidden = body(model)(**inputs).last_hidden_state.squeeze(0)
        head = Head(model=model, is_linear=_is_linear(model, inputs, hidden=hidden, logits=logits))
        if not _agree(head.logits(hidden), logits):
            raise RefusedError(
                f'a model of type "{model.config.model_type}" makes its logits in a way that is not known here',
                expected="logits that follow from the last hidden states",
                remedy="Use another model.",
            )
    return head


def _is_linear(model: PreTrainedModel, inputs: dict[str, Any], *, hidden: Tensor, logits: Tensor) -> bool:
    """Compare the model with the bare linear map, on the states as they are and on large ones."""
    if not isinstance(model.get_output_embeddings(), nn.Linear):
        return False
    if not _agree(_linear_logits(model, hidden), logits):
        return False
    factor = LARGE_LOGIT / float(logits.abs().max().clamp_min(1e-6))
    hook = _output_embedding(model).register_forward_pre_hook(lambda _, states: (states[0] * factor,))
    try:
        large = model(**inputs).logits.squeeze(0)
    finally:
        hook.remove()
    return _agree(_linear_logits(model, hidden * factor), large)


def _agree(logits: Tensor, others: Tensor) -> bool:
    if logits.shape != others.shape:
        return False
    return float((logits - others).abs().max()) <= TOLERANCE * float(others.abs().max())


def _output_embedding(model: PreTrainedModel) -> nn.Linear:
    embedding: nn.Linear = model.get_output_embeddings()
    return embedding


def _linear_logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    linear = _output_embedding(model)
    num_tokens = len(hidden)
    filler = -num_tokens % shape_step(hidden.device)
    if filler:
        hidden = F.pad(hidden, (0, 0, 0, filler))
    return F.linear(hidden, linear.weight, linear.bias)[:num_tokens]


def _own_logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Run the model on one token and exchange its body's result for the given states."""

    def exchange(_: nn.Module, __: Any, output: Any) -> Any:  # noqa: ANN401 (transformers' outputs)
        output.last_hidden_state = hidden.unsqueeze(0)
        return output

    one = torch.zeros(1, dtype=torch.int64, device=hidden.device)
    hook = body(model).register_forward_hook(exchange)
    try:
        logits: Tensor = model(**document_inputs(model, one)).logits
    finally:
        hook.remove()
    return logits.squeeze(0)
