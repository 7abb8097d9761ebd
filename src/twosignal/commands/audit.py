"""`twosignal audit RUN`: takes a run, gives the five-check sample audit and every finding."""

from argparse import Namespace

from twosignal.audits.copying.exposure import EXPOSURE, read_finding
from twosignal.audits.gate import Gate
from twosignal.audits.monitors import check_steps
from twosignal.audits.render import render_text
from twosignal.audits.report import Report, audit, default_window, read_recording
from twosignal.commands.console import console_for, print_json
from twosignal.errors import InputError
from twosignal.records.reader import Run, open_run


def run(options: Namespace) -> int:
    """Run the command."""
    report = audit_run(open_run(options.run, options.runs), steps=_window(options.steps))
    if options.json:
        print_json(report.as_dict())
    else:
        render_text(report, console_for(options))
    return 0


def audit_run(run: Run, *, steps: tuple[int, int] | None = None) -> Report:
    """Audit a window of a run from its records alone."""
    start = next(run.events("start"), None)
    chance = start.number("random_chance") if start else None
    unigram = start.number("unigram_loss") if start else None
    gate_table = run.config.get("gate", {})
    rows = run.steps()
    health = check_steps(
        rows["step"],
        rows["loss_sum"],
        targets=rows["targets"],
        gradient_norms=rows["gradient_norm"],
        random_chance=chance,
    )
    told = [read_finding(event.body) for event in run.events("finding")]
    recording = read_recording(
        run.id,
        [(event.step, event.body) for event in run.samples()],
        probes=[(event.step, event.body) for event in run.probes()],
        sources=list(run.config.get("sources", {})),
        health=[*health, *(finding for finding in told if finding.id == EXPOSURE)],
    )
    gate = Gate(
        threshold=gate_table.get("threshold", 30.0),
        patience=gate_table.get("patience", 5),
        random_chance=chance,
        unigram_loss=unigram,
    )
    first, last = steps or default_window(recording)
    end = max(first, run.last_step)
    return audit(recording, gate, steps=(first, min(last, end) if steps else end))


def _window(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        window = (int(first or 0), int(last) if last else 2**62)
    except ValueError:
        window = (1, 0)
    if not colon or window[0] > window[1]:
        message = "a window of steps must look like A:B"
        raise InputError(message, where=f"--steps {text}", expected="for example --steps 1000:2000")
    return window
