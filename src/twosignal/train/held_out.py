"""Held-out losses of a run: takes its setup, gives those that are reported and those that the curriculum's policy asks for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from twosignal.audits.mix import mix_adjusted
from twosignal.train.batch import measure
from twosignal.train.loss import Tally
from twosignal.train.setup import Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Held-out losses at one step."""

    by_source: Mapping[str, Tally]
    """Of every source and target file that has held-out rows."""
    loss: float
    """Nats per target token, mixed by the targets' fixed weights; nan where nothing is held out."""
    adjusted: float
    """Nats per target token over the sources alone, mixed by their fixed base shares; nan where nothing is held out."""


def held_out(setup: Setup) -> HeldOut:
    """Measure the reported held-out rows of every source and target."""
    rows = {name: source.probe_rows for name, source in setup.sources.items()}
    rows |= {target.name: target.rows for target in setup.targets if target.is_file}
    measured = {
        name: measure(setup.learner, own, rows_per_pass=setup.rows_per_pass).whole
        for name, own in rows.items()
    }
    tallies = {name: tally for name, tally in measured.items() if tally.count}
    losses = {name: tally.mean for name, tally in tallies.items()}
    loss = mix_adjusted(losses, {target.name: target.weight for target in setup.targets})
    adjusted = mix_adjusted({name: losses[name] for name in setup.sources if name in losses}, setup.base)
    return HeldOut(
        by_source=tallies,
        loss=math.nan if loss is None else loss,
        adjusted=math.nan if adjusted is None else adjusted,
    )


def policy_losses(setup: Setup) -> dict[str, float]:
    """Measure the policy's own held-out rows of every target; losses that are not finite are left out."""
    rows = [row for target in setup.targets for row in target.policy_rows]
    loss = measure(setup.learner, rows, rows_per_pass=setup.rows_per_pass)
    means = {name: tally.mean for name, tally in loss.by_source.items()}
    return {name: mean for name, mean in means.items() if math.isfinite(mean)}
