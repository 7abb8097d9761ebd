"""The receipt on screen: takes a `Receipt`, gives tables that a person reads before the run starts."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twosignal.packs.prepare import Ledger
from twosignal.prove.receipt import Check, Receipt

_MARKS = {True: "[green]pass[/]", False: "[red]fail[/]", None: "[dim]n/a[/]"}


LOOSE = 1.3
"""Rows for each row that is needed at least, above which packing is called loose; best-fit decreasing stays below 1.23."""


def show_receipt(receipt: Receipt, console: Console) -> None:
    """Print what will be trained on, source by source, and what every check found."""
    table = Table(title="what will be trained on", title_justify="left", box=None, pad_edge=False)
    for heading in ("source", "records", "examples", "tokens", "targets", "lost", "held out", "rows", "fill"):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    for one in receipt.ledgers:
        table.add_row(
            Text(one.source),
            f"{one.records:,}",
            f"{one.conversations + one.documents:,}",
            f"{one.tokens:,}",
            f"{one.targets_kept:,}",
            f"{sum(one.targets_lost.values()):,}",
            f"{one.held_out:,}",
            f"{one.rows:,}",
            f"{one.fill:.1%}",
        )
    console.print(table)
    for one in receipt.ledgers:
        for line in _remarks(one):
            console.print(Text(f"  {one.source}: {line}"))
    for line in facts_lines(receipt):
        console.print(Text(f"  {line}"))
    checks = Table(title="proof", title_justify="left", box=None, pad_edge=False)
    for heading in ("", "", "check", "found"):
        checks.add_column(heading, overflow="fold")
    for check in receipt.checks:
        checks.add_row(check.id, _MARKS[check.passed], Text(check.name), Text(check.message))
        if check.passed is False:
            for ground in _grounds(check):
                checks.add_row("", "", "", ground)
    console.print(checks)
    console.print(Text(receipt.cost))


def facts_lines(receipt: Receipt) -> list[str]:
    """Return what the run trains on and with, in a few sentences; none where the proof stopped early."""
    facts = receipt.facts
    if not facts:
        return []
    step, attention = facts["per_step"], facts["attention"]
    lines = [
        f"a step: {step['rows']} rows, {step['examples']:,.0f} examples, {step['targets']:,.0f} targets; "
        f"an epoch: {step['steps_of_an_epoch_packed']:,} steps packed, "
        f"{step['steps_of_an_epoch_unpacked']:,} with one example to a row",
        f"attention: {attention['sentence']} ({attention['implementation']}, {facts['precision']}, {facts['device']})",
    ]
    if receipt.predicted_loss is not None:
        lines.append(f"loss before any step, on some real rows: {receipt.predicted_loss:.3f} nats per target")
    for source, stages in facts["flow"].items():
        rows, fewest = stages[-1]["out"], stages[-1]["fewest_possible"]
        if rows > LOOSE * fewest + 1:
            lines.append(f"{source}: {rows:,} rows, where {fewest:,} might do")
    for source, weights in facts["answers"].items():
        if weights and weights["exact_copies"]:
            lines.append(f"{source}: {weights['exact_copies']:,} examples are exact copies of earlier ones")
    return lines


def _grounds(check: Check) -> list[Text]:
    """Return the text with its mask drawn, where a check has one, and the remedy."""
    lines = [Text(str(check.evidence["text"]))] if check.evidence.get("text") else []
    return [*lines, Text(check.remedy, "bold")] if check.remedy else lines


def _remarks(ledger: Ledger) -> list[str]:
    """Return what was left out or lost, cause by cause; names and texts of the data may look like markup."""
    lines = []
    if ledger.bad:
        lines.append(f"{ledger.bad:,} malformed records were skipped, first {ledger.first_bad}")
    if ledger.without_targets:
        lines.append(f"{ledger.without_targets:,} records have nothing to learn and were left out")
    return lines + [f"{lost:,} targets lost: {cause}" for cause, lost in ledger.targets_lost.items()]
