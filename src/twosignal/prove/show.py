"""The receipt on screen: takes a `Receipt`, gives tables that a person reads before the run starts."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twosignal.packs.prepare import Ledger
from twosignal.prove.receipt import Receipt

_MARKS = {True: "[green]pass[/]", False: "[red]fail[/]", None: "[dim]n/a[/]"}


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
    checks = Table(title="proof", title_justify="left", box=None, pad_edge=False)
    for heading in ("", "", "check", "found"):
        checks.add_column(heading, overflow="fold")
    for check in receipt.checks:
        checks.add_row(check.id, _MARKS[check.passed], Text(check.name), Text(check.message))
        if check.passed is False and check.remedy:
            checks.add_row("", "", "", Text(check.remedy, "bold"))
    console.print(checks)


def _remarks(ledger: Ledger) -> list[str]:
    """Return what was left out or lost, cause by cause; names and texts of the data may look like markup."""
    lines = []
    if ledger.bad:
        lines.append(f"{ledger.bad:,} malformed records were skipped, first {ledger.first_bad}")
    if ledger.without_targets:
        lines.append(f"{ledger.without_targets:,} records have nothing to learn and were left out")
    return lines + [f"{lost:,} targets lost: {cause}" for cause, lost in ledger.targets_lost.items()]
