"""How weights move: takes the run file's [train] table, gives optimizers over parameter groups and each step's learning rate."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

from twosignal.config import TrainTable

Schedule = Literal["wsd", "cosine", "linear", "constant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRate:
    """The learning rate as a share of the peak, step by step."""

    schedule: Schedule
    steps: int
    """Optimizer steps of the run."""
    warmup: float
    """Steps of linear warmup; below 1 a share of all steps."""
    decay: float
    """Share of the steps over which wsd decays."""
    end: float
    """Share of the peak at the last step."""

    def factor(self, step: int) -> float:
        """Return the share of the peak used in step `step`, counted from 1.

        Warmup reaches the peak at its last step. The decays are linear ("wsd", "linear") or
        half a cosine (Loshchilov and Hutter 2017), and reach `end` at the last step.
        """
        # Rounded first: 0.07 of 100 steps are 7, though the product is a little above.
        share = math.ceil(round(self.warmup * self.steps, 6))
        warmup = share if self.warmup < 1 else int(self.warmup)
        if step <= warmup:
            return step / warmup
        if self.schedule == "constant":
            return 1.0
        start = warmup
        if self.schedule == "wsd":
            start = max(warmup, self.steps - round(self.decay * self.steps))
        if step <= start:
            return 1.0
        done = (step - start) / max(1, self.steps - start)
        if self.schedule == "cosine":
            done = 0.5 * (1 - math.cos(math.pi * min(1.0, done)))
        return self.end + (1 - self.end) * (1 - min(1.0, done))


def schedule_of(table: TrainTable, steps: int) -> LearningRate:
    """Return the schedule a run file asks for."""
    return LearningRate(
        schedule=table.schedule, steps=steps, warmup=table.warmup, decay=table.decay, end=table.end
    )


def peak_of(table: TrainTable, *, grown: bool, num_parameters: int) -> float:
    """Return the peak learning rate: the user's, else a customary one.

    From scratch it falls with the square root of the size above 20M parameters
    (1e-3 at 20M, about 4e-4 at 120M); fine-tuning takes 2e-5.
    """
    if table.learning_rate is not None:
        return table.learning_rate
    if not grown:
        return 2e-5
    if table.optimizer == "muon":
        return 0.02
    return 1e-3 * min(1.0, math.sqrt(20e6 / num_parameters))


MUON_ADAM_SHARE = 0.1
"""Learning rate of the parameters Muon leaves to AdamW, as a share of Muon's own."""


class Mover:
    """One or two optimizers that are stepped, scheduled, saved and restored as one."""

    def __init__(self, model: nn.Module, table: TrainTable, *, peak: float) -> None:
        self.peak = peak
        self._clip = table.clip
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._optimizers: dict[str, Optimizer] = {}
        matrices, rest = _split(model)
        betas = (table.beta1, table.beta2)
        if table.optimizer == "muon":
            self._optimizers["muon"] = Muon(
                matrices,
                lr=peak,
                weight_decay=table.weight_decay,
                momentum=0.95,
                adjust_lr_fn="original",
            )
            groups = [{"params": rest, "weight_decay": 0.0, "share": MUON_ADAM_SHARE}]
        else:
            groups = [
                {"params": matrices, "weight_decay": table.weight_decay},
                {"params": rest, "weight_decay": 0.0},
            ]
        self._optimizers["adamw"] = AdamW(groups, lr=peak, betas=betas, fused=True)

    def move(self, factor: float) -> float:
        """Clip, step with `factor` times the peak learning rate, clear gradients; return the norm before clipping.

        A norm that is not finite moves nothing: the weights stay as they were.
        """
        limit = self._clip or math.inf
        norm = float(nn.utils.clip_grad_norm_(self._parameters, limit))
        if math.isfinite(norm):
            for optimizer in self._optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = self.peak * factor * group.get("share", 1.0)
                optimizer.step()
        for optimizer in self._optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        return norm

    def state(self) -> dict[str, torch.Tensor]:
        """Return the moments of every parameter as named tensors."""
        return {
            f"{name}.{number}.{key}": value
            for name, optimizer in self._optimizers.items()
            for number, slots in optimizer.state_dict()["state"].items()
            for key, value in slots.items()
        }

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take over what `state` returned, for the same model and table."""
        for name, optimizer in self._optimizers.items():
            slots: dict[int, dict[str, torch.Tensor]] = {}
            for path, value in tensors.items():
                owner, number, key = path.split(".", 2)
                if owner == name:
                    slots.setdefault(int(number), {})[key] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})


def _split(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return (matrices of the layers, everything else): embeddings, heads, norms and biases are not decayed."""
    tables = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, nn.Embedding)
        for parameter in module.parameters(recurse=False)
    }
    output = getattr(model, "get_output_embeddings", lambda: None)()
    if output is not None:
        tables |= {id(parameter) for parameter in output.parameters()}
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (matrices if parameter.ndim == 2 and id(parameter) not in tables else rest).append(parameter)
    return matrices, rest
