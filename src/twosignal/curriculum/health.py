"""Whether the mix is well: takes what `Curriculum.report` says and the rows of a step, gives concerns with figures and remedy.

All but the phase can be told from `bandit.json` alone. The names and fields are those of a `Finding`, which this room may
not import.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from twosignal.curriculum.limits import Limits
from twosignal.curriculum.policy import StepSeen
from twosignal.curriculum.saved import START_COLD, Zombie

STARVED = 0.1
"""Part of its proportional share below which an open source counts as starved."""
FIRST_ROWS = 20
"""Rows that a source must have been owed before its count says anything."""
OFF_PLAN = 0.02
"""Part of all rows that a source's count may be off what the shares promised."""
OFF_PULLS = 3
"""Pulls that it may be off in any case: the shares turn while credit is outstanding."""
JUDGES_BY_TARGET = ("bandit",)
"""Policies that leave a source out because it does nothing for the target, and look again as the run goes on."""
WITHOUT_OPINION = ("proportional", "uniform", "fixed")
"""Policies whose small shares are the user's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing that is wrong with the mix."""

    id: str
    """Name of the check."""
    severity: Literal["note", "warning", "alarm"]
    """note: worth knowing; warning: look before counting on it; alarm: change something before going on."""
    message: str
    """One sentence with the figures in it."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """The figures by name; plain JSON values."""
    remedy: str = ""
    """What to do about it."""

    def as_dict(self) -> dict[str, Any]:
        """Return the concern as plain JSON values."""
        return asdict(self)


def review(report: Mapping[str, Any]) -> list[Concern]:
    """Return what is wrong with a mix as `bandit.json` tells it: starved sources, counts off the plan, epochs, starvation."""
    found = []
    arms: Mapping[str, Mapping[str, Any]] = report["arms"]
    whole = sum(arm["drawn"] for arm in arms.values())
    for name, arm in arms.items():
        if report["policy"] not in WITHOUT_OPINION:
            is_judged = report["policy"] in JUDGES_BY_TARGET
            found += _starved(name, arm, base=report["base"][name], whole=whole, is_judged=is_judged)
        found += _off_plan(name, arm, whole=whole, pull_rows=report["pull_rows"])
        found += _past_cap(name, arm, cap=report["epoch_cap"])
    return found + (_no_fresh_rows(arms) if report["starving"] else [])


def phase_violation(limits: Limits, seen: StepSeen) -> list[Concern]:
    """Return an alarm when a step of the warmup phase drew from a source that is not of the phase."""
    if not limits.is_warmup(seen.step):
        return []
    late = {name: rows for name, rows in seen.rows.items() if rows and name not in limits.warmup_sources}
    return [
        Concern(
            id="outside-warmup",
            severity="alarm",
            message=f"step {seen.step} drew {rows} rows of {name}, which the warmup of {limits.warmup_steps} steps leaves out",
            evidence={"source": name, "rows": rows, "step": seen.step, "warmup_steps": limits.warmup_steps},
            remedy="Whatever serves the rows does not follow the curriculum: stop, and go on from a checkpoint before.",
        )
        for name, rows in late.items()
    ]


def zombie_concern(zombie: Zombie) -> Concern:
    """Return the alarm for a weight that this run never gave."""
    return Concern(
        id="zombie-source",
        severity="alarm",
        message=zombie.sentence(),
        evidence={"source": zombie.arm, "weight": zombie.weight, "run": zombie.run},
        remedy=START_COLD,
    )


def _starved(name: str, arm: Mapping[str, Any], *, base: float, whole: int, is_judged: bool) -> list[Concern]:
    is_meant = arm["closed"] or arm["override"] or arm["cap"] <= STARVED * base
    if is_meant or base * whole < FIRST_ROWS or arm["share"] >= STARVED * base:
        return []
    message = f"source {name} gets {arm['share']:.2%} of the rows where its size would give it {base:.2%}"
    evidence = {"source": name, "share": arm["share"], "base": base, "drawn": arm["drawn"]}
    if is_judged:
        message += ": it does little for the target"
        remedy = f"If it is to be learned for its own sake, add it to curriculum.target or give [sources.{name}] a floor."
        return [
            Concern(id="source-left-out", severity="note", message=message, evidence=evidence, remedy=remedy)
        ]
    message += "; so few pulls that its figures cannot recover"
    remedy = f"Give [sources.{name}] a floor, or retire it if that is meant."
    return [
        Concern(id="source-starved", severity="warning", message=message, evidence=evidence, remedy=remedy)
    ]


def _off_plan(name: str, arm: Mapping[str, Any], *, whole: int, pull_rows: int) -> list[Concern]:
    off = arm["drawn"] - arm["owed"]
    if whole < FIRST_ROWS or abs(off) <= max(OFF_PULLS * pull_rows, OFF_PLAN * whole):
        return []
    message = f"source {name} gave {arm['drawn']} rows where the shares in force promised {arm['owed']:.0f}"
    evidence = {"source": name, "drawn": arm["drawn"], "owed": arm["owed"], "rows": whole}
    remedy = "The rows are not served by the shares: compare the drawn sources in the step columns with the switch events."
    return [Concern(id="share-off-plan", severity="alarm", message=message, evidence=evidence, remedy=remedy)]


def _past_cap(name: str, arm: Mapping[str, Any], *, cap: float | None) -> list[Concern]:
    if cap is None or arm["closed"] != "epochs" or arm["epochs"] <= cap + 1 / arm["rows"]:
        return []
    message = f"source {name} has been read {arm['epochs']:.2f} times; the epoch cap is {cap:g}"
    evidence = {"source": name, "epochs": arm["epochs"], "cap": cap}
    return [Concern(id="epochs-past-cap", severity="warning", message=message, evidence=evidence)]


def _no_fresh_rows(arms: Mapping[str, Mapping[str, Any]]) -> list[Concern]:
    epochs = {name: arm["epochs"] for name, arm in arms.items() if not arm["closed"]}
    least = min(epochs, key=lambda name: epochs[name])
    return [
        Concern(
            id="data-starvation",
            severity="warning",
            message=f"every source that may be drawn has been read as often as allowed, {least} least: {epochs[least]:.1f} times",
            evidence={"epochs": epochs},
            remedy="Add data, end the run here, or raise curriculum.epoch_cap knowing that repetition pays little.",
        )
    ]
