"""What the person sees: plain lines where there is no terminal, and signals that ask for an end."""

import io
import os
import signal

import pytest
from rich.console import Console

from twosignal.audits.finding import Verdict
from twosignal.train import watch as watch_module
from twosignal.train.loss import Tally, TokenLoss
from twosignal.train.step import StepFigures
from twosignal.train.watch import Watch

GO_ON = Verdict(kind="continue", reason="coherence total 60.0 at step 10", step=10)


def figures(step: int, *, seconds: float = 2.0) -> StepFigures:
    """A step of 100 tokens and 40 targets with a mean loss of 1."""
    return StepFigures(
        step=step,
        loss=TokenLoss(by_source={"chat": Tally(total=40.0, count=40, num_bytes=90)}),
        gradient_norm=0.5,
        learning_rate=1e-3,
        rows=2,
        tokens_by_source={"chat": 100},
        seconds=seconds,
    )


def plain_console() -> tuple[Console, io.StringIO]:
    screen = io.StringIO()
    return Console(file=screen, width=300, force_terminal=False), screen


def test_without_a_terminal_the_first_step_is_one_plain_line() -> None:
    console, screen = plain_console()
    watch = Watch(console, steps=10, done=0)
    with watch.showing():
        watch.step(figures(1), {100: 2.25})
        watch.step(figures(2), {100: 2.25})
    assert screen.getvalue() == (
        "step 1/10  loss 1.000   smma100 2.250   ppl 2.7   gradient 0.50   20 targets/s  18 s left\n"
    )


def test_a_line_comes_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "PLAIN_SECONDS", -1.0)
    console, screen = plain_console()
    watch = Watch(console, steps=10, done=0)
    for step in (1, 2, 3):
        watch.step(figures(step), {100: None})
    lines = screen.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["step 1/10", "step 2/10", "step 3/10"]
    assert "smma100 nan" in lines[0]


def test_the_time_left_of_a_resumed_run_is_told_from_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps 91 and 92 of 100 took two seconds each, so eight more take sixteen."""
    monkeypatch.setattr(watch_module, "PLAIN_SECONDS", -1.0)
    console, screen = plain_console()
    watch = Watch(console, steps=100, done=90)
    watch.step(figures(91), {})
    watch.step(figures(92), {})
    assert screen.getvalue().splitlines()[-1].endswith("  16 s left")


def test_speed_is_tokens_and_targets_per_second_of_step_time() -> None:
    watch = Watch(plain_console()[0], steps=10, done=0)
    watch.step(figures(1, seconds=3.0), {})
    watch.step(figures(2, seconds=1.0), {})
    assert watch.speed == pytest.approx((50.0, 20.0))
    assert watch.seconds == pytest.approx(4.0)


def test_a_step_without_targets_shows_nan_and_not_zero() -> None:
    console, screen = plain_console()
    empty = StepFigures(
        step=1,
        loss=TokenLoss(),
        gradient_norm=0.0,
        learning_rate=1e-3,
        rows=1,
        tokens_by_source={"chat": 10},
        seconds=1.0,
    )
    Watch(console, steps=1, done=0).step(empty, {})
    assert "loss nan" in screen.getvalue()


def test_held_out_losses_are_shown_by_source() -> None:
    console, screen = plain_console()
    by_source = {"chat": Tally(total=6.0, count=4), "[books]": Tally(total=5.0, count=2)}
    Watch(console, steps=10, done=0).probe(4, 1.75, by_source)
    assert screen.getvalue() == "step 4  held-out loss 1.750  (chat 1.500  [books] 2.500)\n"


def test_samples_are_shown_one_prompt_after_the_other() -> None:
    """Whatever the cadence: every hundred steps, and four prompts, must not show the first one for ever."""
    console, screen = plain_console()
    watch = Watch(console, steps=1000, done=0)
    bodies = [{"prompt": f"question {n}", "text": f"answer\n{n}"} for n in range(4)]
    for _ in range(5):
        watch.samples(bodies, GO_ON)
    expected = [f"sample  question {n} answer {n}" for n in (0, 1, 2, 3, 0)]
    assert screen.getvalue().splitlines() == expected


def test_text_in_brackets_is_shown_as_it_is() -> None:
    """What a model says, and what a verdict quotes, may look like the console's own markup."""
    console, screen = plain_console()
    watch = Watch(console, steps=10, done=0)
    verdict = Verdict(kind="halt", reason='the worst text opens "[/INST] [bold]x"', step=10, rule="andrea")
    watch.samples([{"prompt": "[/s]", "text": "[/INST] so"}], verdict)
    assert screen.getvalue() == 'sample  [/s] [/INST] so\nthe worst text opens "[/INST] [bold]x"\n'


def test_no_sample_shows_nothing() -> None:
    console, screen = plain_console()
    Watch(console, steps=10, done=0).samples([], GO_ON)
    assert screen.getvalue() == ""


def test_a_terminal_gets_a_picture_with_figures_and_the_newest_text() -> None:
    screen = io.StringIO()
    watch = Watch(Console(file=screen, width=120, height=20, force_terminal=True), steps=10, done=0)
    with watch.showing():
        watch.step(figures(3), {100: 2.25})
        watch.samples([{"prompt": "why?", "text": "because"}], GO_ON)
    shown = screen.getvalue()
    for part in ("3/10", "smma100 2.250", "why?", "because"):
        assert part in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_an_end_after_the_step(number: signal.Signals) -> None:
    console, screen = plain_console()
    watch = Watch(console, steps=10, done=0)
    before = signal.getsignal(number)
    with watch.showing():
        assert not watch.interrupted
        os.kill(os.getpid(), number)
        assert watch.interrupted
        watch.step(figures(1), {})
    assert signal.getsignal(number) is before
    assert screen.getvalue().startswith("stopping after this step")


def test_a_second_interrupt_stops_at_once() -> None:
    watch = Watch(plain_console()[0], steps=10, done=0)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), watch.showing():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert watch.interrupted
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
