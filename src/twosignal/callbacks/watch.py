"""One training under a host: takes its model, arguments and dataloader, gives what the monitors M1 to M5 find."""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from twosignal.audits.finding import Finding
from twosignal.audits.hostlog import Window, check_eval, check_log, check_weights
from twosignal.audits.labels import LabelCounts, check_labels, check_share
from twosignal.audits.monitors import Expected, Seen, check_step, non_finite_weights
from twosignal.callbacks.rows import RowTap
from twosignal.callbacks.step import HostStep, norm_of_gradients, step_figures
from twosignal.callbacks.witness import Witness
from twosignal.train.forecast import non_finite_names

SHARES_KEPT = 20
"""Steps whose share of learned tokens is remembered."""
VERIFIED_EVERY = 100
"""Steps between two at which the loss is computed again from the logits, where there are any."""


@dataclass(slots=True, kw_only=True)
class HostWatch:
    """What is watched between the first step and the last."""

    model: nn.Module
    witness: Witness
    loader: Any
    """The host's dataloader."""
    tap: RowTap | None
    random_chance: float | None
    only_answers: bool
    """The host was asked to learn from answers or completions only."""
    has_plain_loss: bool
    """The host learns from the mean loss, nothing smoothed, scaled or exchanged."""
    sees_gradients: bool
    """Gradients are where the parameters are, and mean what they say."""
    first_step: int = 0
    """Steps done before this training."""
    shares: list[float] = field(default_factory=list)
    """Share of learned tokens at the first steps."""
    window: list[HostStep] = field(default_factory=list)
    """Steps since the last line of the log."""

    def begin_step(self, step: int) -> None:
        """Watch the passes from here on as those of `step`."""
        self.witness.take()
        self.witness.take_evaluated()
        self.witness.verifies = step <= self.first_step + 1 or step % VERIFIED_EVERY == 0
        self.witness.is_armed = True

    def end_step(self, step: int) -> tuple[HostStep, tuple[Finding, ...]]:
        """Return the figures of a step whose gradients are complete, and what is wrong with it."""
        self.witness.is_armed = False
        norm = norm_of_gradients(self.model.parameters()) if self.sees_gradients else None
        host = step_figures(self.witness.take(), gradient_norm=norm)
        self.window.append(host)
        return host, (*self._unseen(host, step), *self._wrong(host, step))

    def end_window(self, step: int, printed: dict[str, float]) -> tuple[Finding, ...]:
        """Return what is untrue in a line of the host's log over the steps since the last one."""
        steps, self.window = self.window, []
        if not steps or not all(one.has_labels and one.is_measured for one in steps):
            return ()
        if not self.has_plain_loss or any(one.taken is None for host in steps for one in host.passes):
            printed = {name: value for name, value in printed.items() if name != "loss"}
        return check_log(step, printed, _window(steps))

    def end_evaluation(self, step: int, printed: dict[str, float]) -> tuple[Finding, ...]:
        """Return what is untrue in the evaluation loss."""
        passes = self.witness.take_evaluated()
        loss = next((value for name, value in printed.items() if name.endswith("_loss")), None)
        if loss is None or not passes or not self.has_plain_loss:
            return ()
        targets = sum(int(count) for _, count in passes)
        total = math.fsum(float(one) for one, count in passes if int(count))
        return check_eval(step, loss, loss_sum=total, targets=targets)

    def check_weights(self, step: int) -> tuple[Finding, ...]:
        """Return whether there are weights that must not be saved."""
        names = non_finite_names(self.model)
        return (non_finite_weights(step, names),) if names else ()

    def end(self) -> None:
        """Leave model and dataloader as they were."""
        self.witness.detach()
        if self.tap is not None:
            self.loader.collate_fn = self.tap.collate

    def _wrong(self, host: HostStep, step: int) -> tuple[Finding, ...]:
        seen = Seen(
            step=step,
            loss_sum=host.all_loss if host.is_measured else None,
            targets=host.all_targets if host.has_labels else None,
            gradient_norm=host.gradient_norm,
            num_passes=len(host.passes),
            bad_passes=host.bad_passes,
        )
        # What the other ranks were given is taken as it is: each compares its own rows.
        carried = None if host.carried is None else host.carried + host.all_targets - host.targets
        found = check_step(seen, Expected(targets=carried, random_chance=self.random_chance))
        if not host.has_labels:
            return found
        counts = LabelCounts(
            step=step,
            targets=host.targets,
            possible=host.total("possible"),
            strays=host.total("strays"),
            crossings=host.total("crossings"),
        )
        found += check_labels(counts, only_answers=self.only_answers)
        found += check_share(counts, self.shares)
        if counts.possible and len(self.shares) < SHARES_KEPT:
            self.shares.append(counts.targets / counts.possible)
        return found + self._weights(host, step)

    def _weights(self, host: HostStep, step: int) -> tuple[Finding, ...]:
        taken = [one.taken / host.world for one in host.passes if one.taken is not None]
        sums = [one.loss_sum for one in host.passes if one.loss_sum is not None]
        if not self.has_plain_loss or not len(taken) == len(sums) == len(host.passes):
            return ()
        return check_weights(step, taken, sums, targets=host.all_targets)

    def _unseen(self, host: HostStep, step: int) -> tuple[Finding, ...]:
        if step > self.first_step + 1 or (host.has_labels and host.is_measured):
            return ()
        if not host.passes:
            what = "no forward pass of the model goes through the model itself, so only gradients and weights are watched"
        elif not host.has_labels:
            what = "the labels are given neither to the model nor through a collator in this process: M1 and M2 are off"
        else:
            what = "the model gives neither a loss nor logits with the labels: M2 is off"
        return (
            Finding(
                id="unwatched",
                severity="warning",
                message=f"at step {step:,} {what}",
                evidence={"monitor": "M1", "passes": len(host.passes)},
                steps=(step,),
                remedy="Set dataloader_num_workers to 0, or pass labels to the model.",
            ),
        )


def _window(steps: list[HostStep]) -> Window:
    """Return what the log's averages over these steps should be."""
    means = [one.all_loss / one.all_targets if one.all_targets else math.nan for one in steps]
    passes = [one for step in steps for one in step.passes]
    entropies = [one.entropy_sum for one in passes if one.entropy_sum is not None]
    targets = sum(one.targets or 0 for one in passes)
    is_entropy_known = len(entropies) == len(passes) and targets > 0
    return Window(
        steps=len(steps),
        loss=math.fsum(means) / len(means) if all(map(math.isfinite, means)) else math.nan,
        targets=targets,
        passes=len(passes),
        empty_passes=sum(one.targets == 0 for one in passes),
        bad_passes=sum(one.is_bad for one in passes),
        first_ids=sum(one.first_ids for one in passes),
        entropy=sum(entropies) / targets if is_entropy_known else None,
    )
