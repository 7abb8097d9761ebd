"""M5 and the truth of another trainer's log: takes what it prints and what was measured, gives `Finding`s.

Loss is a sum over targets divided by their number. What other trainers print can be something else:

M2  scaled-loss       the loss that is learned from is a multiple of that mean
    uneven-weights    a target of one micro-batch counts more than one of another: a mean of means
    printed-loss      the loss that is printed is not the one that was learned from
    eval-loss         the evaluation loss is a mean of batch means
M3  printed-loss      a number is printed for a loss that is none
M5  accuracy-of-nan   an accuracy is printed for logits that are nan: it is the share of token id 0
    diluted-metrics   averages in which micro-batches without targets count as 0
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twosignal.audits.finding import Finding, Severity

TOLERANCE = 0.02
"""Relative difference between two losses that lower precision explains."""
EVAL_TOLERANCE = 1e-4
"""Relative difference between two evaluation losses that rounding explains."""
SCALED = 1.2
"""Factor on the whole loss from which it is no longer a matter of weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was measured over the steps that one line of the log speaks of."""

    steps: int
    loss: float
    """Mean over the steps of nats per target; NaN where a step had none or was not finite."""
    targets: int
    passes: int
    """Forward passes."""
    empty_passes: int = 0
    """Passes without a target."""
    bad_passes: int = 0
    """Passes whose loss was not finite."""
    first_ids: int = 0
    """Targets that are token id 0."""
    entropy: float | None = None
    """Nats per target; None where it was not measured."""


def check_log(step: int, printed: Mapping[str, float], window: Window) -> tuple[Finding, ...]:
    """Return what is untrue in a line of a host's log, whose keys are transformers' and TRL's."""
    found = []
    loss = printed.get("loss")
    if loss is not None and _is_untrue(loss, window):
        found.append(_printed_loss(step, loss, window))
    accuracies = {name: value for name, value in printed.items() if "accuracy" in name}
    if window.bad_passes and accuracies:
        found.append(_accuracy_of_nan(step, accuracies, window))
    elif window.empty_passes and "entropy" in printed:
        found.append(_diluted(step, printed, window))
    return tuple(found)


def check_weights(
    step: int, taken: Sequence[float], sums: Sequence[float], *, targets: int, learned: bool = True
) -> tuple[Finding, ...]:
    """Compare what a step's loss took of each forward pass with the pass's summed loss over the step's `targets`.

    taken, sums: [passes], in nats. `learned`: whether this is the loss that gradients come from.
    """
    if not learned or not targets or not all(map(math.isfinite, [*taken, *sums])) or not sum(sums):
        return ()
    weights = [part * targets / whole for part, whole in zip(taken, sums, strict=True) if whole]
    factor = sum(taken) * targets / sum(sums)
    evidence: dict[str, object] = {"factor": round(factor, 4), "weights": [round(w, 4) for w in weights]}
    if not 1 / SCALED < factor < SCALED:
        message = f"wrong targets: the loss of step {step:,} is {factor:.3g} times the mean over its {targets:,} targets"
        remedy = "The model or its loss ignores the number of targets in the step: set gradient_accumulation_steps to 1."
        return (_finding("scaled-loss", "alarm", step, message=message, evidence=evidence, remedy=remedy),)
    if max(weights) - min(weights) > TOLERANCE:
        message = (
            f"at step {step:,} a target of one micro-batch counts {max(weights) / min(weights):.2f} times as much "
            "as one of another: the loss is a mean of means"
        )
        remedy = "Divide the summed loss by the targets of the whole step, or set gradient_accumulation_steps to 1."
        return (
            _finding("uneven-weights", "warning", step, message=message, evidence=evidence, remedy=remedy),
        )
    return ()


def check_eval(step: int, printed: float, *, loss_sum: float, targets: int) -> tuple[Finding, ...]:
    """Compare a printed evaluation loss with the summed loss over all `targets`."""
    if not targets:
        return ()
    true = loss_sum / targets
    if abs(printed - true) <= EVAL_TOLERANCE * abs(true):
        return ()
    message = f"the evaluation loss at step {step:,} is printed as {printed:.4f}; over its {targets:,} targets it is {true:.4f}"
    evidence = {"printed": printed, "loss": true, "targets": targets}
    remedy = "Batch means are averaged there: compare only evaluations of the same batches."
    return (_finding("eval-loss", "note", step, message=message, evidence=evidence, remedy=remedy),)


def _is_untrue(loss: float, window: Window) -> bool:
    if math.isfinite(window.loss):
        return not abs(loss - window.loss) <= TOLERANCE * abs(window.loss)
    return window.targets == 0 or math.isfinite(loss)


def _printed_loss(step: int, loss: float, window: Window) -> Finding:
    if math.isfinite(window.loss):
        word, true = "wrong-targets", f"it is {window.loss:.4f} per target"
    elif window.bad_passes:
        word = "non-finite"
        true = f"it is not a finite number in {window.bad_passes} of {window.passes} micro-batches"
    else:
        word, true = "no-targets", "there were steps without a target"
    return _finding(
        "printed-loss",
        "warning",
        step,
        message=f"the loss at step {step:,} is printed as {loss:.4g}, and {true}",
        evidence={
            "kind": word,
            "printed": f"{loss:g}",
            "loss": f"{window.loss:g}",
            "bad_passes": window.bad_passes,
        },
        remedy="Do not judge this run by its log.",
    )


def _accuracy_of_nan(step: int, accuracies: Mapping[str, float], window: Window) -> Finding:
    name, value = next(iter(accuracies.items()))
    share = window.first_ids / window.targets if window.targets else math.nan
    message = (
        f"{name} is printed as {value:.4g} at step {step:,} though logits are not finite: among nan nothing is largest, "
        f"or token id 0 is taken for it, whose share of the targets is {share:.4g}"
    )
    evidence = {"kind": "non-finite", "printed": dict(accuracies), "share_of_token_0": f"{share:g}"}
    remedy = "Read it as not a number."
    return _finding("accuracy-of-nan", "warning", step, message=message, evidence=evidence, remedy=remedy)


def _diluted(step: int, printed: Mapping[str, float], window: Window) -> Finding:
    true = "" if window.entropy is None else f"; over the targets the entropy is {window.entropy:.4g}"
    message = (
        f"{window.empty_passes} of {window.passes} micro-batches up to step {step:,} have no targets and count as 0 in "
        f"the printed entropy {printed['entropy']:.4g}{true}"
    )
    evidence = {"empty_passes": window.empty_passes, "printed": printed["entropy"], "entropy": window.entropy}
    remedy = "Leave examples without targets out, or make micro-batches larger."
    return _finding("diluted-metrics", "warning", step, message=message, evidence=evidence, remedy=remedy)


_MONITORS = {"accuracy-of-nan": "M5", "diluted-metrics": "M5"}


def _finding(  # the parts of a Finding, in order
    identity: str, severity: Severity, step: int, *, message: str, evidence: Mapping[str, object], remedy: str
) -> Finding:
    monitor = "M3" if evidence.get("kind") == "non-finite" else "M2"
    return Finding(
        id=identity,
        severity=severity,
        message=message,
        evidence={"monitor": _MONITORS.get(identity, monitor), "kind": "wrong-targets", **evidence},
        steps=(step,),
        remedy=remedy,
    )
