"""`twosignal audit RUN`: takes a run, gives the five-check sample audit and every finding."""

from argparse import Namespace
from dataclasses import replace

import numpy as np

from twosignal.audits.copying.exposure import EXPOSURE, read_finding
from twosignal.audits.diagnosis import diagnose
from twosignal.audits.gate import Gate
from twosignal.audits.grading.recorded import check_grading
from twosignal.audits.monitors import check_steps
from twosignal.audits.recorded import read_probe
from twosignal.audits.render import render_text
from twosignal.audits.report import Report, audit, default_window, read_recording
from twosignal.commands.console import console_for, print_json
from twosignal.errors import InputError
from twosignal.records.reader import Run, open_run


def run(options: Namespace) -> int:
    """Run the command."""
    report = audit_run(open_run(options.run, options.runs), steps=read_window(options.steps))
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
    with np.errstate(divide="ignore", invalid="ignore"):
        losses = rows["loss_sum"] / rows["targets"]
    probes = [(event.step, event.body) for event in run.probes()]
    curve = diagnose(rows["step"], losses, probes=[read_probe(*one) for one in probes], random_chance=chance)
    told = [read_finding(event.body) for event in run.events("finding")]
    recording = read_recording(
        run.id,
        [(event.step, event.body) for event in run.samples()],
        probes=probes,
        sources=list(run.config.get("sources", {})),
        health=[*health, *curve, *(finding for finding in told if finding.id == EXPOSURE)],
    )
    gate = Gate(
        rule=gate_table.get("rule", "default"),
        threshold=gate_table.get("threshold", 30.0),
        patience=gate_table.get("patience", 5),
        random_chance=chance,
        unigram_loss=unigram,
    )
    first, last = steps or default_window(recording)
    end = max(first, run.last_step)
    window = (first, min(last, end) if steps else end)
    grading = check_grading(run, window)
    if grading is not None:
        health = (*recording.health, *grading.findings)
        recording = replace(recording, grading=grading.line, health=health)
    return audit(recording, gate, steps=window)


def read_window(text: str | None) -> tuple[int, int] | None:
    """Return first and last step of A:B; None without a text. Raises InputError where it looks otherwise."""
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
