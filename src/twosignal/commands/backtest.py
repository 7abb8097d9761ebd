"""`twosignal backtest RUN|SAMPLES.jsonl`: takes a run that is over, says when each rule would have stopped it."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from twosignal.audits.backtest import Backtest, Past
from twosignal.audits.backtest import backtest as replay_rules
from twosignal.audits.fixed_mix import fixed_mix_losses
from twosignal.audits.recorded import known_number, newest_telling, read_probe, read_sample
from twosignal.audits.rules import RULES, Context, find_rules
from twosignal.audits.samples_file import read_samples
from twosignal.commands.console import console_for, print_json
from twosignal.errors import RunError
from twosignal.records.reader import Run, open_run


def run(options: Namespace) -> int:
    """Run the command."""
    result = backtest_path(options.run, options.rule or RULES, runs_dir=options.runs)
    if options.json:
        print_json(result.as_dict())
    else:
        _show(result, console_for(options))
    return 0


def backtest_path(
    path: str | Path, rules: Sequence[str] = RULES, *, runs_dir: Path | None = None
) -> Backtest:
    """Return when each rule would have stopped a run, and what the training loss says of it.

    `path` is a run folder, a run's id, or a `.jsonl` file of samples: `{"step", "text", "prompt"?, "loss"?, "time"?}` a
    line. `rules` are names (default, andrea, all-four) or paths of TOML rule files. Raises InputError.
    """
    found = find_rules([rules] if isinstance(rules, str) else rules)
    past = read_samples(Path(path)) if str(path).endswith(".jsonl") else past_of(open_run(path, runs_dir))
    return replay_rules(past, found)


def past_of(run: Run) -> Past:
    """Return what a backtest needs from a run's records; raise RunError when nothing was sampled or probed."""
    start = next(run.events("start"), None)
    told = start.body if start else {}
    samples = newest_telling(read_sample(event.step, event.body) for event in run.samples())
    probes = newest_telling(read_probe(event.step, event.body) for event in run.probes())
    if not samples and not probes:
        raise RunError("the run has neither samples nor held-out losses", where=str(run.path))
    rows, timing = run.steps(), run.clock()
    with np.errstate(divide="ignore", invalid="ignore"):
        losses = fixed_mix_losses(rows)
    return Past(
        samples=tuple(samples),
        probes=tuple(probes),
        curve=tuple(zip(rows["step"].tolist(), losses.tolist(), strict=True)),
        clock=tuple(zip(timing["step"].tolist(), np.cumsum(timing["seconds"]).tolist(), strict=True)),
        context=Context(
            random_chance=known_number(told, "random_chance"), unigram_loss=known_number(told, "unigram_loss")
        ),
    )


def _show(result: Backtest, console: Console) -> None:
    """Print the table of rules, why each fired, and what the loss says."""
    first, last = result.steps
    table = Table(title=f"{result.num_samples:,} samples, steps {first:,} to {last:,}", title_justify="left")
    for name in ("rule", "fires at", "steps saved", "hours saved", "flagged", "fires again", "false alarms"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    for one in result.rules:
        has_fired = one.fired_at is not None
        table.add_row(
            one.name,
            f"{one.fired_at:,}" if has_fired else "never",
            f"{one.steps_saved:,}" if has_fired else "",
            "" if one.hours_saved is None or not has_fired else f"{one.hours_saved:,.1f}",
            f"{one.flagged:,}",
            f"{one.firings - 1:,}" if has_fired else "",
            f"{one.false_alarms:,}" if has_fired else "",
        )
    console.print(table)
    for one in result.rules:
        if one.reason:
            console.print(f"{one.name}: {one.reason}", markup=False, soft_wrap=True)
    for finding in result.diagnosis:
        console.print(f"{finding.severity} {finding.id}: {finding.message}", markup=False, soft_wrap=True)
