"""What the person at the terminal sees: takes figures, probes and samples, gives a live progress bar or plain lines."""

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from twosignal.audits.finding import Finding, Verdict
from twosignal.curriculum.policy import Choice
from twosignal.records.smoothing import perplexity
from twosignal.text.visible import spelled_out
from twosignal.train.loss import Tally
from twosignal.train.step import StepFigures

PLAIN_SECONDS = 10.0
"""Without a terminal, one line is printed this often."""
SAMPLE_CHARACTERS = 240
SWITCH_STEPS = 100
"""Steps between two lines on the mix."""
SWITCH_SOURCES = 5


class Watch:
    """Shows a run, and remembers whether the user asked it to stop."""

    def __init__(self, console: Console, *, steps: int, done: int) -> None:
        self.console = console
        self.interrupted = False
        self._steps = steps
        self._printed_at = time.monotonic()
        self._num_seen = self._num_samplings = self._tokens = self._targets = 0
        self._seconds = 1e-9
        self._switch_shown = -SWITCH_STEPS
        self._is_live = console.is_terminal
        self._progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
        )
        self._task = self._progress.add_task("train", total=steps, completed=done)
        self._figures = Text("")
        self._sample = Text("")

    @contextmanager
    def showing(self) -> Iterator["Watch"]:
        """Show the run while it goes on; Ctrl-C and SIGTERM ask it to save and stop after the step in hand."""
        handlers = {number: signal.signal(number, self._ask_to_stop) for number in _STOP_SIGNALS}
        try:
            if self._is_live:
                with Live(get_renderable=self._picture, console=self.console, refresh_per_second=4):
                    yield self
            else:
                yield self
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    @property
    def speed(self) -> tuple[float, float]:
        """Tokens and targets per second of step time so far."""
        return self._tokens / self._seconds, self._targets / self._seconds

    @property
    def seconds(self) -> float:
        """Step time of this process."""
        return self._seconds

    def step(self, figures: StepFigures, smoothed: Mapping[int, float | None]) -> None:
        """Show a step."""
        whole = figures.loss.whole
        self._num_seen += 1
        self._tokens += figures.tokens
        self._targets += whole.count
        self._seconds += figures.seconds
        self._progress.update(self._task, completed=figures.step)
        average = smoothed.get(100)
        self._figures = Text(
            f"loss {whole.mean:.3f}   smma100 {average if average is not None else float('nan'):.3f}"
            f"   ppl {perplexity(whole.mean):,.1f}   gradient {figures.gradient_norm:.2f}"
            f"   {self.speed[1]:,.0f} targets/s"
        )
        if self.interrupted:
            self._say(Text("stopping after this step; press Ctrl-C again to stop at once without saving"))
        now = time.monotonic()
        if not self._is_live and (figures.step == 1 or now - self._printed_at > PLAIN_SECONDS):
            self._printed_at = now
            left = (self._steps - figures.step) * self._seconds / self._num_seen
            self._say(Text(f"step {figures.step}/{self._steps}  {self._figures.plain}  {left:,.0f} s left"))

    def probe(self, step: int, loss: float, by_source: Mapping[str, Tally]) -> None:
        """Show the held-out losses of a step."""
        each = "  ".join(f"{name} {tally.mean:.3f}" for name, tally in by_source.items())
        where, what = (f"step {step}", "bold"), (f"{loss:.3f}", "bold")
        self._say(Text.assemble(where, "  held-out loss ", what, f"  ({each})"))

    def switch(self, choice: Choice, shares: Mapping[str, float]) -> None:
        """Show the mix in one line, at most once in so many steps; what a person or the gate did is always shown."""
        is_act = choice.kind in ("operator", "gate", "phase", "resume")
        if not is_act and choice.step < self._switch_shown + SWITCH_STEPS:
            return
        self._switch_shown = choice.step
        largest = sorted(shares.items(), key=lambda item: -item[1])
        mix = "  ".join(f"{name} {share:.0%}" for name, share in largest[:SWITCH_SOURCES])
        more = f"  and {len(largest) - SWITCH_SOURCES} more" if len(largest) > SWITCH_SOURCES else ""
        self._say(Text.assemble((f"step {choice.step}", "bold"), f"  mix ({choice.kind})  {mix}{more}"))

    def samples(self, bodies: Sequence[Mapping[str, Any]], verdict: Verdict) -> None:
        """Show the newest text: one prompt of the panel after the other."""
        if not bodies:
            return
        body = bodies[self._num_samplings % len(bodies)]
        self._num_samplings += 1
        prompt, text = (spelled_out(" ".join(f"{body[name]}".split())) for name in ("prompt", "text"))
        self._sample = Text.assemble(
            ("sample  ", "dim"), (prompt[-100:], "dim"), " ", (text[:SAMPLE_CHARACTERS], "green")
        )
        if not self._is_live:
            self._say(self._sample)
        if verdict.kind != "continue":
            self._say(Text(spelled_out(verdict.reason), "red"))

    def finding(self, finding: Finding) -> None:
        """Show what was found, unless it is only worth a note in the record."""
        if finding.severity != "note":
            self._say(Text(spelled_out(finding.message), "yellow"))

    def action(self, sentence: str) -> None:
        """Show what was done about a verdict."""
        self._say(Text(spelled_out(sentence), "bold red"))

    def notice(self, sentence: str) -> None:
        """Show something that the user should know, such as a full disk."""
        self._say(Text(spelled_out(sentence), "yellow"))

    def go_back(self, step: int) -> None:
        """Show that the run goes on from an earlier step."""
        self._progress.update(self._task, completed=step)

    def _say(self, line: Text) -> None:
        """Print a line as it stands: the user's and the model's words may look like markup."""
        self.console.print(line, soft_wrap=True)

    def _picture(self) -> Table:
        grid = Table.grid(expand=True)
        grid.add_row(self._progress)
        grid.add_row(self._figures)
        grid.add_row(self._sample)
        return grid

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        """Take note only: printing from a signal handler can meet a print half done."""
        del frame
        if self.interrupted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.interrupted = True


_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
