"""What the gate does: takes a verdict that stops a run, gives a run that goes on from a sound checkpoint, or says why not.

A roll back is a checkpoint. Weights, moments, random state, gate and records are those of the last sound checkpoint; the
rows of every source stay where they are now, so the data that led there is skipped (as PaLM was trained:
arXiv:2204.02311, 5.1), and so do the budgets. This is saved under a name of its own, whole or not at all, and from that moment
every process that takes up the run begins there: it leaves the old records as they are, begins a new attempt behind them, and
tells the action first. Going on at once and going on after a kill are the same few lines, `Recorder.take_up`.
"""

from dataclasses import dataclass, replace
from typing import Any

from twosignal.audits.finding import Verdict
from twosignal.audits.monitors import MONITORS
from twosignal.curriculum.policy import Choice
from twosignal.train.checkpoint import read_state, restore_checkpoint
from twosignal.train.recorder import Told, switch_body
from twosignal.train.remix import Remix, plan_remix, put_cap
from twosignal.train.running import Running
from twosignal.train.shelf import Saved, read_shelf, target_of, vouched


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """A roll back that is about to be done."""

    verdict: Verdict
    """Why."""
    from_step: int
    target: Saved
    rate: float
    """Factor on the learning rate from now on."""
    learning_rate: float
    """Peak learning rate from now on."""
    skipped_rows: int
    """Rows drawn since the checkpoint, that are not drawn again in this epoch."""
    budget_left: int
    """Roll backs left after this one."""
    earlier: tuple[int, ...] = ()
    """Steps that the roll backs before went back to; their own records may be on an abandoned way."""

    @property
    def sentence(self) -> str:
        """What is done and why."""
        return (
            f"rolled back from step {self.from_step:,} to step {self.target.place.step:,}, learning rate times "
            f"{self.rate:g}, {self.skipped_rows:,} rows skipped: {self.verdict.reason}"
        )

    def body(self) -> dict[str, Any]:
        """Return what the record says."""
        return {
            "action": "roll-back",
            "reason": self.sentence,
            "rule": self.verdict.rule,
            "evidence": dict(self.verdict.evidence),
            "from_step": self.from_step,
            "to_step": self.target.place.step,
            "checkpoint": self.target.path.name,
            "rate": self.rate,
            "learning_rate": self.learning_rate,
            "skipped_rows": self.skipped_rows,
            "earlier": list(self.earlier),
            "budget_left": self.budget_left,
        }


def go_on_after(run: Running, verdict: Verdict) -> bool:
    """Roll the run back if the run file asks for it and it can be; return whether the run goes on.

    Otherwise the run's verdict says what was tried.
    """
    if run.setup.config.gate.action != "roll-back":
        return False
    plan, refusal = _plan(run, verdict)
    if plan is None:
        run.verdict = replace(verdict, reason=f"{verdict.reason}; {refusal}")
        return False
    _roll_back(run, plan)
    return True


def mix_again(run: Running) -> None:
    """Cut the share of a source that samples are copied from, if the run file allows for it."""
    if run.setup.config.gate.action == "note":
        return
    plan = plan_remix(run.setup, run.spent, run.recent.copied)
    if plan is None:
        return
    before = run.setup.curriculum.shares
    run.recorder.tell("action", run.step, plan.body())
    run.steering.record(_remix(run, plan), before=before)
    _say(run, "re-mix", plan.sentence, evidence=plan.blame.evidence)


def _plan(run: Running, verdict: Verdict) -> tuple[RollBack | None, str]:
    """Return the roll back to be done, or why there is none."""
    table, spent = run.setup.config.gate, run.spent
    if verdict.rule in MONITORS and MONITORS[verdict.rule].word != "non-finite":
        return None, "not rolled back: it is the targets, and no learning rate mends them"
    usable = vouched(read_shelf(run.recorder.folder), sound_step=run.sound_step, targets=spent.targets)
    target = target_of(usable, targets=spent.targets)
    if target is None:
        return None, "not rolled back: no checkpoint was saved whose samples were sound"
    if spent.rollbacks >= table.rollbacks:
        return None, f"not rolled back again: {tried(run)} did not help"
    rate = spent.rate * table.rate
    steps = run.step - target.place.step
    plan = RollBack(
        verdict=verdict,
        from_step=run.step,
        target=target,
        rate=rate,
        learning_rate=run.mover.peak * rate,
        skipped_rows=steps * run.setup.config.rows.per_step,
        budget_left=table.rollbacks - spent.rollbacks - 1,
        earlier=spent.targets,
    )
    return plan, ""


def tried(run: Running) -> str:
    """Return what has been done so far, for the sentence that a run is halted with."""
    spent, table = run.spent, run.setup.config.gate
    steps = [
        f"step {step:,} at {table.rate**number:g} times the learning rate"
        for number, step in enumerate(spent.targets, 1)
    ]
    said = f"going back to {', then to '.join(steps)}"
    caps = [f"{name} to {share:.1%}" for name, share in spent.caps.items()]
    return said + (f" and holding {' and '.join(caps)} of the rows" if caps else "")


def _roll_back(run: Running, plan: RollBack) -> None:
    saved = read_state(plan.target.path)
    remix = plan_remix(run.setup, run.spent, run.recent)
    run.spent = run.spent.after_rollback(plan.target.place.step, rate=run.setup.config.gate.rate)
    restore_checkpoint(plan.target.path, run.parts())
    run.go_back(saved)
    told: list[Told] = [("action", plan.body())]
    for source, share in run.spent.caps.items():
        told += _switches(put_cap(run.setup, source, share, step=run.step, reason="as before the roll back"))
    if remix is not None:
        told += [("action", remix.body()), *_switches(_remix(run, remix))]
    run.recorder.branch(run.parts(), run.state(), base=saved, told=told)
    run.watch.go_back(run.step)
    _say(run, "roll-back", plan.sentence, evidence=plan.verdict.evidence)
    if remix is not None:
        _say(run, "re-mix", remix.sentence, evidence=remix.blame.evidence)


def _remix(run: Running, plan: Remix) -> list[Choice]:
    """Cut the share; return what that changes."""
    source = plan.blame.source
    run.spent = run.spent.after_remix(source, plan.share)
    run.recent = run.recent.without(source)
    return put_cap(run.setup, source, plan.share, step=run.step, reason=plan.blame.reason)


def _switches(choices: list[Choice]) -> list[Told]:
    return [("switch", switch_body(choice)) for choice in choices]


def _say(run: Running, action: str, sentence: str, *, evidence: Any) -> None:  # noqa: ANN401 (JSON)
    run.watch.action(sentence)
    run.alerts.send(action, step=run.step, reason=sentence, evidence=evidence)
