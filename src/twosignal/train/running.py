"""A run between two steps: takes its parts, gives what a checkpoint holds of them, and takes it back."""

import math
from dataclasses import dataclass, field
from typing import Any

from twosignal.audits.finding import Verdict
from twosignal.audits.gate import Gate
from twosignal.audits.news import News
from twosignal.audits.recent import RecentTexts
from twosignal.train.alerts import Alerts
from twosignal.train.checkpoint import Resumable
from twosignal.train.optimizer import Mover
from twosignal.train.rate import Rate
from twosignal.train.recorder import Recorder
from twosignal.train.samples import Sampler
from twosignal.train.setup import Setup
from twosignal.train.spent import Spent
from twosignal.train.steering.steering import Steering
from twosignal.train.watch import Watch


@dataclass(slots=True, kw_only=True)
class Running:
    """A run between two steps."""

    setup: Setup
    mover: Mover
    rate: Rate
    gate: Gate
    sampler: Sampler
    recorder: Recorder
    watch: Watch
    steering: Steering
    alerts: Alerts = field(default_factory=Alerts)
    step: int = 0
    """Last step done."""
    probe: float = math.nan
    """Newest held-out loss, mixed by the fixed weights of the target; nats per target."""
    best_probe: float = math.inf
    """Lowest held-out loss at a checkpoint whose samples were coherent."""
    best: str | None = None
    """Name of that checkpoint."""
    sound_step: int | None = None
    """Newest step at which samples were drawn and nothing stood against the run."""
    verdict: Verdict = field(default_factory=lambda: Verdict(kind="continue", reason="nothing was sampled"))
    """Newest word of the gate or of an alarm."""
    spent: Spent = field(default_factory=Spent)
    """What the gate's actions have used of their budgets."""
    recent: RecentTexts = field(default_factory=RecentTexts)
    """The newest texts, and which sources they point at."""
    news: News = field(default_factory=News)
    """What of the loss has been told."""

    def parts(self) -> Resumable:
        """Return what a checkpoint saves as tensors and files."""
        return Resumable(model=self.setup.learner.model, tokenizer=self.setup.tokenizer, mover=self.mover)

    def state(self) -> dict[str, Any]:
        """Return everything else a run needs to go on, as plain data."""
        return {
            "step": self.step,
            "probe": self.probe,
            "best_probe": self.best_probe,
            "best": self.best,
            "sound_step": self.sound_step,
            "is_sound": self.gate.is_clear,
            "streams": self.streams(),
            "steering": self.steering.state(),
            "gate": self.gate.state(),
            "verdict": self.verdict.as_dict(),
            "spent": self.spent.state(),
            "recent": self.recent.state(),
            "news": self.news.state(),
            "inputs": {name: source.fingerprint for name, source in self.setup.sources.items()},
        }

    def streams(self) -> dict[str, Any]:
        """Return where every source's rows stand."""
        return {name: source.stream.cursor for name, source in self.setup.sources.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.step, self.probe = state["step"], state["probe"]
        self.best_probe, self.best = state["best_probe"], state["best"]
        self.sound_step = state["sound_step"]
        for name, source in self.setup.sources.items():
            source.stream.restore(state["streams"][name])
        self.steering.restore(state["steering"])
        self.gate = Gate.restore(state["gate"])
        self.verdict = Verdict(**state["verdict"])
        self.spent = Spent.restore(state["spent"])
        self.recent = RecentTexts.restore(state["recent"])
        self.news = News.restore(state["news"])

    def go_back(self, state: dict[str, Any]) -> None:
        """Take over an earlier state, but for what must not come back: the rows drawn since, and the budgets spent."""
        steering = self.steering.gone_back(state["steering"])
        now = {"streams": self.streams(), "spent": self.spent.state(), "steering": steering}
        sound_step = max(state["sound_step"] or 0, state["step"])
        self.restore({**state, **now, "sound_step": sound_step})
        self.steering.hold()
