"""The receipt on screen: takes a `Receipt`, gives tables that a person reads before the run starts."""

from rich.console import Console
from rich.table import Table

from twosignal.prove.receipt import Receipt

_MARKS = {True: "[green]pass[/]", False: "[red]fail[/]", None: "[dim]n/a[/]"}


def show_receipt(receipt: Receipt, console: Console) -> None:
    """Print what will be trained on, source by source, and what every check found."""
    table = Table(title="what will be trained on", title_justify="left", box=None, pad_edge=False)
    for heading in ("source", "records", "examples", "tokens", "targets", "lost", "held out", "rows", "fill"):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    for one in receipt.ledgers:
        table.add_row(
            one.source,
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
        if one.bad:
            console.print(
                f"  {one.source}: {one.bad:,} malformed records were skipped, first {one.first_bad}",
                highlight=False,
            )
        if one.without_targets:
            console.print(
                f"  {one.source}: {one.without_targets:,} records have nothing to learn and were left out"
            )
        for cause, lost in one.targets_lost.items():
            console.print(f"  {one.source}: {lost:,} targets lost: {cause}")
    checks = Table(title="proof", title_justify="left", box=None, pad_edge=False)
    for heading in ("", "", "check", "found"):
        checks.add_column(heading, overflow="fold")
    for check in receipt.checks:
        checks.add_row(check.id, _MARKS[check.passed], check.name, check.message)
        if check.passed is False and check.remedy:
            checks.add_row("", "", "", f"[bold]{check.remedy}[/]")
    console.print(checks)
