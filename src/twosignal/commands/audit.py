"""`twosignal audit RUN`: takes a run, gives the five-check sample audit, every finding, and a page to read it on."""

from argparse import Namespace

from twosignal.audits.history import history_of
from twosignal.audits.page import audit_page
from twosignal.audits.render import render_text
from twosignal.audits.report import Window, audit
from twosignal.audits.run_audit import gate_of, recording_of
from twosignal.commands.console import console_for, print_json, write_page
from twosignal.errors import InputError
from twosignal.records.reader import open_run


def run(options: Namespace) -> int:
    """Run the command."""
    found = open_run(options.run, options.runs)
    recording, window = recording_of(found, steps=read_window(options.steps))
    gate = gate_of(found)
    report = audit(recording, gate, steps=window)
    if options.html:
        history = history_of(recording.samples, recording.probes, until=window[1])
        page = audit_page(report, history, tiers=recording.tiers, threshold=gate.threshold)
        write_page(options.html, page)
    if options.json:
        print_json(report.as_dict())
        return 0
    console = console_for(options)
    render_text(report, console)
    if options.html:
        console.print(f"page: {options.html}", markup=False, soft_wrap=True)
    return 0


def read_window(text: str | None) -> Window | None:
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
