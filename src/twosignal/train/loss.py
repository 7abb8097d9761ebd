"""The only cross-entropy: takes hidden states and targets, gives a sum and an integer count, never a mean.

The logits of all tokens are never held at once: unsupervised tokens are left out first, and
above 64 MiB of float32 logits the rest is worked off in chunks, whose gradients are
computed on the way (the method of Liger-Kernel, arXiv 2410.10989, section 3.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from twosignal.model.attention import shape_step
from twosignal.model.head import Head

PLAIN_LIMIT_BYTES = 64 * 2**20
"""Logits up to this size are faster in one piece (measured on CPU)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Loss over some targets, undivided."""

    total: float = 0.0
    """Sum of negative log-likelihoods, in nats."""
    count: int = 0
    """Targets."""
    num_bytes: int = 0
    """UTF-8 bytes the targets stand for."""

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            total=self.total + other.total,
            count=self.count + other.count,
            num_bytes=self.num_bytes + other.num_bytes,
        )

    @property
    def mean(self) -> float:
        """Nats per target; NaN, never 0, when there is no target."""
        return self.total / self.count if self.count else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLoss:
    """The loss of a step or a probe: a sum and a count, in all and by source."""

    by_source: Mapping[str, Tally] = field(default_factory=dict)

    @property
    def whole(self) -> Tally:
        """All sources together."""
        return sum(self.by_source.values(), Tally())

    def __add__(self, other: "TokenLoss") -> "TokenLoss":
        names = [*self.by_source, *(n for n in other.by_source if n not in self.by_source)]
        return TokenLoss(
            by_source={n: self.by_source.get(n, Tally()) + other.by_source.get(n, Tally()) for n in names}
        )


def summed_loss(hidden: Tensor, head: Head, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the differentiable sum of the loss and the detached loss of each target, in nats.

    hidden: [targets, width], the states of supervised tokens only. targets: [targets], int64.
    """
    weight = head.weight
    if weight is None or len(targets) * weight.shape[0] * 4 <= PLAIN_LIMIT_BYTES:
        each = F.cross_entropy(head.logits(hidden).float(), targets, reduction="none")
        return each.sum(), each.detach()
    if not torch.is_grad_enabled():
        rows = chunk_rows(weight)
        parts = zip(hidden.split(rows), targets.split(rows), strict=True)
        logits = ((F.linear(states, weight, head.bias).float(), wanted) for states, wanted in parts)
        each = torch.cat([F.cross_entropy(some, wanted, reduction="none") for some, wanted in logits])
        return each.sum(), each
    total, each = ChunkedLoss.apply(hidden, weight, head.bias, targets)  # type: ignore[no-untyped-call]
    return total, each


def chunk_rows(weight: Tensor) -> int:
    """Return how many tokens' float32 logits fit the limit, for a head of [vocabulary, width]."""
    return max(1, PLAIN_LIMIT_BYTES // 4 // weight.shape[0])


class ChunkedLoss(torch.autograd.Function):
    """Linear layer and cross-entropy in one, chunk by chunk, with the gradients taken in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch's context object)
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return (sum, loss of each target); keep the gradients of the sum for backward."""
        each = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight, dtype=torch.float32)
        grad_bias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
        rows = chunk_rows(weight)
        for start in range(0, len(targets), rows):
            part = slice(start, start + rows)
            # Every chunk has one shape: see shape_step for what many shapes cost.
            filler = (0, 0, 0, -len(hidden[part]) % shape_step(hidden.device))
            states = F.pad(hidden[part], filler)
            gradient = F.linear(states, weight, bias)[: len(hidden[part])].float()
            picked = targets[part, None]
            log_total = torch.logsumexp(gradient, dim=1, keepdim=True)
            each[part] = (log_total - gradient.gather(1, picked)).squeeze(1)
            gradient.sub_(log_total).exp_()
            gradient.scatter_add_(1, picked, torch.full_like(picked, -1.0, dtype=torch.float32))
            if grad_bias is not None:
                grad_bias += gradient.sum(0)
            narrow = F.pad(gradient, filler).to(_matmul_dtype(hidden))
            grad_hidden[part] = (narrow @ weight.to(narrow.dtype))[: len(gradient)].to(hidden.dtype)
            grad_weight += narrow.T @ states.to(narrow.dtype)
        ctx.save_for_backward(grad_hidden, grad_weight.to(weight.dtype), grad_bias)
        ctx.mark_non_differentiable(each)
        return each.sum(), each

    @staticmethod
    def backward(ctx: Any, grad_total: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Scale the kept gradients; the targets have none."""
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        scaled_bias = None if grad_bias is None else grad_bias * grad_total
        return grad_hidden * grad_total, grad_weight * grad_total, scaled_bias, None


def _matmul_dtype(hidden: Tensor) -> torch.dtype:
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
