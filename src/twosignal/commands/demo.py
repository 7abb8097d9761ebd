"""`twosignal demo`: takes a few minutes, gives a small trained model, its audit, and how many questions it gets right."""

from argparse import Namespace
from pathlib import Path

from twosignal.audits.render import render_text
from twosignal.audits.run_audit import audit_run
from twosignal.commands.console import console_for
from twosignal.commands.pages import show_pages
from twosignal.commands.quiz import marks_table, quiz
from twosignal.commands.train import report, train_config
from twosignal.runfile import load_config

RUN_FILE = Path(__file__).with_suffix(".toml")
AUDIT_TEXTS = 8


def run(options: Namespace) -> int:
    """Run the command."""
    console = console_for(options)
    console.print(f"the run file of this demo is {RUN_FILE}", soft_wrap=True)
    config = load_config(RUN_FILE, [f"run.hours={options.minutes / 60}"])
    show_pages(options, options.out, console)
    result = train_config(config, folder=RUN_FILE.parent, runs_dir=options.out, console=console)
    code = report(result, console, as_json=options.json)
    if code == 0:
        console.print()
        render_text(audit_run(result.run), console, num_texts=AUDIT_TEXTS)
        console.print(marks_table(quiz(result.run)))
        place = "" if options.out == Path("runs") else f" --runs {options.out}"
        console.print(f"\ntalk to it:     twosignal chat {result.run.id}{place}", soft_wrap=True)
        console.print(f"see it again:   twosignal dashboard {options.out}", soft_wrap=True)
        console.print(f"read it again:  twosignal audit {result.run.id}{place}", soft_wrap=True)
    return code
