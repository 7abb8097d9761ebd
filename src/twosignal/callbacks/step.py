"""The figures of one step under a host trainer: takes its forward passes and parameters, gives plain numbers, waiting once."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from twosignal.callbacks.witness import Pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PassFigures:
    """One forward pass in numbers."""

    targets: int | None
    loss_sum: float | None
    """Nats over the targets."""
    taken: float | None
    """What the loss that gradients come from took of it, in nats; None where nothing was heard."""
    possible: int
    first_ids: int
    strays: int
    crossings: int
    tokens: int
    rows: int
    entropy_sum: float | None
    carried: int | None

    @property
    def is_bad(self) -> bool:
        """Return whether the loss is not a finite number."""
        return self.loss_sum is not None and not math.isfinite(self.loss_sum)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStep:
    """All forward passes of one step on this rank, and what the step comes to over all ranks."""

    passes: tuple[PassFigures, ...]
    gradient_norm: float | None
    """Of what the optimizer is given: behind the host's clipping. None where gradients cannot be seen."""
    world: int = 1
    """Ranks that share the step."""
    all_targets: int = 0
    """Targets of the step over all ranks."""
    all_loss: float = math.nan
    """Nats over them; NaN where the loss of a pass is unknown."""

    @property
    def has_labels(self) -> bool:
        """Return whether the targets of every pass could be seen."""
        return bool(self.passes) and all(one.targets is not None for one in self.passes)

    @property
    def is_measured(self) -> bool:
        """Return whether the loss of every pass could be seen."""
        return bool(self.passes) and all(one.loss_sum is not None for one in self.passes)

    @property
    def targets(self) -> int:
        """Targets on this rank."""
        return self.total("targets")

    @property
    def carried(self) -> int | None:
        """Targets that this rank's rows carry; None where a row does not say."""
        each = [one.carried for one in self.passes]
        known = [count for count in each if count is not None]
        return sum(known) if known and len(known) == len(each) else None

    @property
    def bad_passes(self) -> tuple[int, ...]:
        """Numbers, from 1, of the passes whose loss was not finite."""
        return tuple(number for number, one in enumerate(self.passes, 1) if one.is_bad)

    def total(self, name: str) -> int:
        """Return the sum of a count over the passes."""
        return sum(getattr(one, name) or 0 for one in self.passes)


def step_figures(passes: Sequence[Pass], *, gradient_norm: float | None) -> HostStep:
    """Bring the passes of a step to the CPU, and add them up over all ranks."""
    figures = _figures(passes)
    known = all(one.loss_sum is not None for one in figures)
    sums = [
        float(sum(one.targets or 0 for one in figures)),
        math.fsum(one.loss_sum or 0.0 for one in figures),
    ]
    world = 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        world = torch.distributed.get_world_size()
        sums = _over_ranks(sums, device=_device(passes))
    return HostStep(
        passes=figures,
        gradient_norm=gradient_norm,
        world=world,
        all_targets=round(sums[0]),
        all_loss=sums[1] if known else math.nan,
    )


def norm_of_gradients(parameters: Iterable[nn.Parameter]) -> float:
    """Return the norm of the gradients as they are; 0 where no parameter has one."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return 0.0
    norm = nn.utils.get_total_norm(gradients)
    # Under FSDP every rank holds a part of it.
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


def _figures(passes: Sequence[Pass]) -> tuple[PassFigures, ...]:
    counts = _numbers(
        [x for p in passes for x in (p.targets, p.possible, p.first_ids, p.strays, p.crossings, p.tokens)],
        dtype=torch.int64,
    )
    sums = _numbers(
        [x for p in passes for x in (p.loss_sum, p.entropy_sum, p.taken[0] if len(p.taken) == 1 else None)],
        dtype=torch.float32,
    )
    figures = []
    for number, one in enumerate(passes):
        whole = [int(count or 0) for count in counts[6 * number : 6 * number + 6]]
        parts = sums[3 * number : 3 * number + 3]
        figures.append(
            PassFigures(
                targets=None if one.targets is None else whole[0],
                possible=whole[1],
                first_ids=whole[2],
                strays=whole[3],
                crossings=whole[4],
                tokens=whole[5],
                rows=one.rows,
                loss_sum=parts[0],
                entropy_sum=parts[1],
                taken=parts[2],
                carried=one.carried.targets if one.carried else None,
            )
        )
    return tuple(figures)


def _numbers(values: Sequence[Tensor | int | None], *, dtype: torch.dtype) -> list[float | None]:
    """Return values as Python numbers; the device is waited for once."""
    tensors = [value.detach().to(dtype) for value in values if isinstance(value, Tensor)]
    device = tensors[0].device if tensors else None
    numbers = iter(torch.stack([one.to(device) for one in tensors]).tolist() if tensors else [])
    return [next(numbers) if isinstance(value, Tensor) else value for value in values]


def _over_ranks(sums: Sequence[float], *, device: torch.device) -> list[float]:
    whole = torch.tensor(sums, dtype=torch.float64, device=device)
    torch.distributed.all_reduce(whole)
    return [float(value) for value in whole.tolist()]


def _device(passes: Sequence[Pass]) -> torch.device:
    known = [one.targets.device for one in passes if one.targets is not None]
    return known[0] if known else torch.device("cuda" if torch.cuda.is_available() else "cpu")
