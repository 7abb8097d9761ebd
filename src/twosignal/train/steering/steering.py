"""The curriculum while a run goes on: takes steps, probes and an operator's requests, gives new shares, each change recorded."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from twosignal.audits.finding import Finding
from twosignal.curriculum.carry import carry_over
from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.health import Concern, phase_violation, review
from twosignal.curriculum.policy import Choice, Mode, ProbeSeen, Shares, StepSeen
from twosignal.curriculum.request import MixSettings, check_settings, described
from twosignal.errors import InputError
from twosignal.train.held_out import HeldOut, policy_losses
from twosignal.train.progress import Progress
from twosignal.train.rate import Rate
from twosignal.train.recorder import Recorder
from twosignal.train.setup import Setup
from twosignal.train.steering.requests import Due, Requests
from twosignal.train.step import StepFigures
from twosignal.train.watch import Watch

REWARM_KINDS = ("phase", "operator", "gate")
"""Choices that bring other text all at once; a policy moves slowly enough for the optimizer to follow."""
REWARM_SHARE = 0.1
"""Part of the rows that must change hands before the learning rate is warmed up anew."""
STATE_VERSION = 1


class Steering:
    """Keeps a run's curriculum informed, and its learning rate fit for what the curriculum does."""

    def __init__(
        self, setup: Setup, *, recorder: Recorder, watch: Watch, rate: Rate, requests: Requests
    ) -> None:
        self.rate = rate
        self.seconds = 0.0
        """What the policy and its probes have cost this process."""
        self._setup = setup
        self._recorder = recorder
        self._watch = watch
        self._requests = requests
        self._progress = Progress()
        self._unrecorded: list[Choice] = []
        self._concerns: list[str] = []
        """What was found wrong with the mix so far."""

    @property
    def curriculum(self) -> Curriculum:
        """The run's curriculum."""
        return self._setup.curriculum

    def before(self, step: int) -> None:
        """Follow what the operator asked for, before the step after `step` is drawn."""
        unrecorded, self._unrecorded = self._unrecorded, []
        self.record(unrecorded, before=self.curriculum.shares)
        while due := self._requests.due(step):
            self._follow(due, step)

    def after(self, figures: StepFigures) -> None:
        """Tell the curriculum of a step, and probe for its policy where that is due."""
        began = time.perf_counter()
        before = self.curriculum.shares
        self._progress.step(figures.step, figures.loss.by_source)
        seen = self._seen(figures)
        self._tell(phase_violation(self.curriculum.limits, seen), figures.step)
        choices = self.curriculum.see_step(seen)
        if self._setup.targets and self.curriculum.probe_due(figures.step):
            probe = ProbeSeen(step=figures.step, losses=policy_losses(self._setup))
            choices += self.curriculum.see_probe(probe)
        self.record(choices, before=before)
        self.seconds += time.perf_counter() - began

    def record(self, choices: Sequence[Choice], *, before: Shares, **more: Any) -> None:  # noqa: ANN401 (JSON)
        """Record choices that moved the shares from `before`; a sudden move of many rows warms the learning rate up anew."""
        for choice in choices:
            self._recorder.switch(choice, **more)
            self._watch.switch(choice, self.curriculum.shares)
        sudden = [choice for choice in choices if choice.kind in REWARM_KINDS]
        moved = moved_rows(before, self.curriculum.shares)
        if sudden and moved >= REWARM_SHARE and self.rate.sources_changed(sudden[-1].step):
            reason = (
                f"{moved:.0%} of the rows come from other sources now: the learning rate climbs anew "
                f"over {self.rate.rewarm_steps:,} steps"
            )
            self._recorder.action(sudden[-1].step, "restart-rate", reason)

    def told(self, seen: HeldOut) -> dict[str, Any]:
        """Return what a probe event says besides the losses, and begin the next window of the training loss."""
        return {
            "target": {target.name: target.weight for target in self._setup.targets},
            "mix_adjusted": seen.adjusted,
            "mix": self._progress.split(),
        }

    def judge(self, step: int, loss: float) -> None:
        """Look whether the mix is well and whether the held-out loss stands still; do what the run file asks for."""
        self._tell(review(self.curriculum.report()), step)
        shares = self.curriculum.shares
        finding = self._progress.plateau(step, loss, epochs=self._epochs(), shares=shares)
        if finding is None:
            return
        self._recorder.finding(step, finding)
        asked = self._setup.config.curriculum.on_plateau
        if asked == "restart-rate" and self.rate.restart(step):
            self._recorder.action(
                step, "restart-rate", f"{finding.message}: the learning rate is raised again"
            )
        else:
            self._recorder.action(step, "note", f"{finding.message}. {finding.remedy}")

    def state(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "version": STATE_VERSION,
            "curriculum": self.curriculum.state(),
            "rate": self.rate.state(),
            "progress": self._progress.state(),
            "requests": self._requests.taken,
            "concerns": list(self._concerns),
            "unrecorded": [asdict(choice) for choice in self._unrecorded],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned; where the run file's curriculum has changed since, what it says is to be kept.

        Raises RunError when the curriculum in it is not this run's.
        """
        self._concerns = list(state["concerns"])
        self._unrecorded = [Choice(**fields) for fields in state["unrecorded"]]
        saved, own = state["curriculum"], self.curriculum.origin
        if saved["origin"] == {"run": own.run, "config": own.config} or saved["origin"]["run"] != own.run:
            self.curriculum.restore(saved)
        else:
            self._unrecorded += [adopt(self.curriculum, saved, self._setup.config.curriculum.on_resume)]
        self.rate.restore(state["rate"])
        self._progress.restore(state["progress"])
        self._requests.taken = state["requests"]

    def gone_back(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state to go on with from an older checkpoint's, whose rows are not drawn again.

        What the policy had learned is the checkpoint's, as the weights are; what was drawn since, and what the operator
        and the gate decided, stays as it is.
        """
        own = self.state()
        kept = {name: own["curriculum"][name] for name in ("served", "overrides")}
        return {
            **saved,
            "curriculum": {**saved["curriculum"], **kept},
            "requests": own["requests"],
        }

    def hold(self) -> None:
        """Put what the operator and the gate decided into force again, after `gone_back`."""
        if self.curriculum.overrides:
            reason = "rolled back: what the operator and the gate decided still holds"
            self._unrecorded.append(self.curriculum.note("gate", reason, {}))

    def _follow(self, due: Due, step: int) -> None:
        """Apply one request whole or not at all."""
        before, kept = self.curriculum.shares, self.curriculum.state()
        try:
            choices = apply_settings(self.curriculum, due.settings, step=step)
        except InputError as error:
            self.curriculum.restore(kept)
            self._requests.refuse(due.number, str(error))
            return
        self._requests.done(due.number)
        self.record(choices, before=before, request=due.number, settings=dict(due.settings))
        self._recorder.flush()

    def _tell(self, concerns: Sequence[Concern], step: int) -> None:
        """Record what is wrong with the mix, each thing once for a source."""
        for concern in concerns:
            key = f"{concern.id} {concern.evidence.get('source', '')}".strip()
            if key not in self._concerns:
                self._concerns.append(key)
                self._recorder.finding(step, Finding(**concern.as_dict(), steps=(step,)))

    def _seen(self, figures: StepFigures) -> StepSeen:
        rows: dict[str, int] = {}
        for pack in figures.packs:
            rows[pack.source] = rows.get(pack.source, 0) + 1
        means = {name: tally.mean for name, tally in figures.loss.by_source.items()}
        return StepSeen(
            step=figures.step,
            rows=rows,
            losses={name: mean for name, mean in means.items() if math.isfinite(mean)},
            epochs=self._epochs(),
        )

    def _epochs(self) -> dict[str, float]:
        return {name: source.stream.epochs for name, source in self._setup.sources.items()}


def adopt(curriculum: Curriculum, saved: Mapping[str, Any], how: Mode | Mapping[str, Mode]) -> Choice:
    """Go on with a curriculum under another run file: counts stay, evidence is kept, decayed or reset by source.

    What the operator and the gate had set ends with the old run file. Raises RunError when the state cannot be read.
    """
    curriculum.served.restore(saved["served"])
    curriculum.step = int(saved["step"])
    return carry_over(curriculum, saved, dict.fromkeys(curriculum.arms, how) if isinstance(how, str) else how)


def apply_settings(curriculum: Curriculum, settings: MixSettings, *, step: int) -> list[Choice]:
    """Change shares, caps and releases as an operator's request says; return the choices that came of it.

    Raises InputError when the curriculum cannot follow, with part of the settings applied.
    """
    check_settings(settings, list(curriculum.arms))
    reason = f"the operator asked for {described(settings)}"
    shares, caps = settings.get("set", {}), settings.get("cap", {})
    choices = [
        curriculum.set_share(name, share, step=step, by="operator", reason=reason)
        for name, share in shares.items()
    ]
    choices += [
        curriculum.cap(name, share, step=step, by="operator", reason=reason) for name, share in caps.items()
    ]
    choices += [
        curriculum.release(name, step=step, by="operator", reason=reason)
        for name in settings.get("release", [])
    ]
    return choices


def moved_rows(before: Shares, after: Shares) -> float:
    """Return the part of the rows that comes from another source than before."""
    return sum(max(0.0, share - before.get(name, 0.0)) for name, share in after.items())


def mix_report(setup: Setup) -> dict[str, Any]:
    """Return what bandit.json says: the step, the shares in force, the target, every source and the newest choices."""
    return {
        "step": setup.curriculum.step,
        **setup.curriculum.report(),
        "base": dict(setup.base),
        "target": {target.name: target.weight for target in setup.targets},
    }
