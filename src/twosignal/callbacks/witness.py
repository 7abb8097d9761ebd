"""What a model really gets and gives: takes a model under a host trainer, gives a `Pass` for each forward pass of training.

Only sums are kept, on the model's device; nothing waits for it and no logits are copied.
"""

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn
from transformers.loss.loss_utils import LOSS_MAPPING, ForCausalLMLoss

from twosignal.callbacks.rows import Carried, RowTap
from twosignal.packs.pack import NO_TARGET

MOST_PASSES = 4_096
"""Passes kept for one step; a host that never ends its step has forgotten us."""
CAUSAL = ("CausalLM", "LMHeadModel")
"""Parts of the names of causal language models' classes."""
CHUNK = 1_024
"""Targets whose logits are turned to float32 at once."""


@dataclass(slots=True, kw_only=True)
class Pass:
    """One forward pass in training. Every tensor has shape [] and is on the model's device."""

    targets: Tensor | None
    """Targets given; None where neither the model nor the collator shows labels."""
    loss_sum: Tensor | None
    """Nats over the targets; None where the model gives no loss."""
    possible: Tensor | int
    """Targets if every token were learned from; 0 where labels are no tokens to come."""
    first_ids: Tensor | int = 0
    """Targets that are token id 0."""
    strays: Tensor | int = 0
    """Targets that are not the token they stand at."""
    crossings: Tensor | int = 0
    """Targets at position 0 behind another token: first tokens of a packed neighbour."""
    entropy_sum: Tensor | None = None
    """Nats over the targets."""
    tokens: Tensor | int = 0
    rows: int = 0
    carried: Carried | None = None
    """What the rows of this pass carried when they were collated."""
    taken: list[Tensor] = field(default_factory=list)
    """What the loss that gradients come from took of this pass; filled by the backward pass."""


class Witness:
    """Watches the forward passes of one model until it is detached, or forgotten."""

    def __init__(self, model: nn.Module, *, tap: RowTap | None) -> None:
        self.passes: list[Pass] = []
        """Passes of the step at hand."""
        self.is_armed = False
        """Whether a step is under way."""
        self.verifies = True
        """Whether the loss of a model that gives logits is computed again."""
        self.evaluated: list[tuple[Tensor, Tensor]] = []
        """Summed loss and targets of every evaluation pass since they were taken."""
        self._tap = tap
        self._is_divided: bool | None = None
        seeing = weakref.WeakMethod(self._see)

        def hook(*call: Any) -> None:  # noqa: ANN401 (model, positional, named, output)
            see = seeing()
            if see is not None:
                see(call[0], call[2], call[3])

        self._handle = model.register_forward_hook(hook, with_kwargs=True)
        weakref.finalize(self, self._handle.remove)

    def detach(self) -> None:
        """Leave the model as it was."""
        self._handle.remove()

    def take(self) -> list[Pass]:
        """Return the passes of the step, and forget them."""
        passes, self.passes = self.passes, []
        return passes

    def take_evaluated(self) -> list[tuple[Tensor, Tensor]]:
        """Return the evaluation passes, and forget them."""
        evaluated, self.evaluated = self.evaluated, []
        return evaluated

    def _see(self, model: nn.Module, named: Mapping[str, Any], output: Any) -> None:  # noqa: ANN401
        if model.training and torch.is_grad_enabled() and self.is_armed:
            self.passes.append(self._pass(model, named, output))
            if len(self.passes) == MOST_PASSES:
                self.detach()
        elif not model.training and named.get("labels") is not None:
            with torch.no_grad():
                self._see_evaluation(model, named, output)

    def _see_evaluation(self, model: nn.Module, named: Mapping[str, Any], output: Any) -> None:  # noqa: ANN401
        targets = (wanted(model, named, None) != NO_TARGET).sum()
        log_probs, loss = _tensor(output, "log_probs"), _tensor(output, "loss")
        if log_probs is not None:
            self.evaluated.append((-log_probs.sum(), targets))
        elif loss is not None:
            self.evaluated.append((loss * targets, targets))

    def _pass(self, model: nn.Module, named: Mapping[str, Any], output: Any) -> Pass:  # noqa: ANN401
        carried = self._tap.next_for(named.get("input_ids")) if self._tap else None
        labels = named.get("labels")
        if labels is None and named.get("shift_labels") is None and carried is not None:
            labels = carried.labels
        with torch.no_grad():
            seen = _described(model, named, labels)
            seen.carried = carried
            self._weigh(seen, model=model, named={**named, "labels": labels}, output=output)
        return seen

    def _weigh(self, seen: Pass, *, model: nn.Module, named: Mapping[str, Any], output: Any) -> None:  # noqa: ANN401
        """Put the summed loss into a pass, and listen for what the backward pass takes of it."""
        log_probs, loss = _tensor(output, "log_probs"), _tensor(output, "loss")
        entropy, heard = _tensor(output, "entropy"), None
        if entropy is not None:
            seen.entropy_sum = entropy.detach().sum(dtype=torch.float32)
        if log_probs is not None:
            seen.loss_sum = -log_probs.detach().sum(dtype=torch.float32)
            heard = log_probs
        elif seen.targets is None:
            return
        elif loss is None:
            seen.loss_sum = own_loss(model, named, output) if self.verifies else None
        else:
            seen.loss_sum = self._undivided(
                loss.detach().float(), seen.targets, model=model, named=named, output=output
            )
            is_known = named.get("num_items_in_batch") is None or self._is_divided is not None
            heard = loss if is_known else None
        # With a second loss in the sum, what is taken of the first says nothing of the whole.
        if heard is not None and _tensor(output, "aux_loss") is None:
            _listen(heard, seen)

    def _undivided(
        self,
        loss: Tensor,
        targets: Tensor,
        *,
        model: nn.Module,
        named: Mapping[str, Any],
        output: Any,  # noqa: ANN401
    ) -> Tensor:
        """Return the sum behind a loss that the model has divided: by the step's targets if it was told, else its own."""
        items = named.get("num_items_in_batch")
        own = own_loss(model, named, output) if self.verifies else None
        if own is not None:
            if (
                items is not None
                and self._is_divided is None
                and bool(torch.isfinite(own) & torch.isfinite(loss))
            ):
                self._is_divided = bool((loss * items - own).abs() <= (loss * targets - own).abs())
            return own
        return loss * (targets if items is None or self._is_divided is False else items)


def wanted(model: nn.Module, named: Mapping[str, Any], labels: Tensor | None) -> Tensor:
    """Return the targets a model is given, any shape: labels behind the shift that a causal model makes itself."""
    if named.get("shift_labels") is not None:
        shifted: Tensor = named["shift_labels"]
        return shifted
    given: Tensor = named["labels"] if labels is None else labels
    return given[:, 1:] if _is_shifted(model, named, given) else given


def own_loss(model: nn.Module, named: Mapping[str, Any], output: Any) -> Tensor | None:  # noqa: ANN401
    """Return the summed loss, computed from the logits a pass gave anyway; None where they do not fit the labels."""
    logits = _tensor(output, "logits")
    targets = wanted(model, named, None)
    if logits is None or targets.is_floating_point():
        return None
    if named.get("shift_labels") is None and _is_shifted(model, named, named["labels"]):
        logits = logits[:, :-1]
    if logits.shape[:-1] != targets.shape or logits.shape[-1] == 1:
        return None
    places = torch.nonzero((targets != NO_TARGET).to(logits.device), as_tuple=True)
    targets = targets.to(logits.device)[places]
    total = torch.zeros((), dtype=torch.float32, device=logits.device)
    for start in range(0, len(targets), CHUNK):
        part = slice(start, start + CHUNK)
        states = logits.detach()[tuple(place[part] for place in places)].float()
        total += F.cross_entropy(states, targets[part], reduction="sum")
    return total


def _described(model: nn.Module, named: Mapping[str, Any], labels: Tensor | None) -> Pass:
    ids, positions = named.get("input_ids"), named.get("position_ids")
    if labels is None and named.get("shift_labels") is None:
        return Pass(targets=None, loss_sum=None, possible=0)
    targets = wanted(model, named, labels)
    seen = Pass(targets=(targets != NO_TARGET).sum(), loss_sum=None, possible=0)
    seen.first_ids = (targets == 0).sum()
    seen.rows = len(targets)
    if ids is None or not is_causal(model):
        return seen
    mask = named.get("attention_mask")
    is_token = (
        mask.bool()
        if mask is not None and mask.shape == ids.shape
        else torch.ones_like(ids, dtype=torch.bool)
    )
    seen.tokens = is_token.sum()
    starts: Tensor | int = len(ids)
    if positions is not None and positions.shape == ids.shape:
        starts = ((positions == 0) & is_token).sum()
    seen.possible = seen.tokens - starts
    if labels is not None and labels.ndim == 2 and _is_shifted(model, named, labels):
        is_target = labels != NO_TARGET
        seen.strays = (is_target & (labels != ids.to(labels.device)))[:, 1:].sum()
        if positions is not None and positions.shape == labels.shape:
            seen.crossings = (is_target & (positions.to(labels.device) == 0))[:, 1:].sum()
    return seen


def _is_shifted(model: nn.Module, named: Mapping[str, Any], labels: Tensor) -> bool:
    """Return whether the model shifts these labels itself, as causal language models do."""
    ids = named.get("input_ids")
    return labels.ndim == 2 and is_causal(model) and (ids is None or ids.shape == labels.shape)


def is_causal(model: nn.Module) -> bool:
    """Return whether a model's own loss is that of a causal language model, by the rule of transformers' Trainer.

    A model whose class has another name than those transformers knows is judged by the classes it is made from.
    """
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        return False
    kind = getattr(model, "loss_type", None)
    if kind is not None:
        return LOSS_MAPPING.get(kind) is ForCausalLMLoss
    return any(name in base.__name__ for base in type(model).__mro__ for name in CAUSAL)


def _listen(tensor: Tensor, seen: Pass) -> None:
    """Note what the loss takes of this tensor: its gradient times its value, which for a weighted sum is the sum."""
    if tensor.requires_grad:
        value = tensor.detach()
        tensor.register_hook(lambda gradient: seen.taken.append((gradient.float() * value.float()).sum()))


def _tensor(output: Any, name: str) -> Tensor | None:  # noqa: ANN401
    """Return a part of a foreign output, None where it has none or it is something else."""
    found = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
    return found if isinstance(found, Tensor) else None
