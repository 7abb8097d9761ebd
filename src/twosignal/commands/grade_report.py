"""`twosignal grade report RUN`: takes a run with grades, says how far graders agree and what they say of the model."""

from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twosignal.audits.grading.cards import GraderCard
from twosignal.audits.grading.folder import choose_bundle
from twosignal.audits.grading.plot import points, text_plot
from twosignal.audits.grading.recorded import run_results
from twosignal.audits.grading.report_page import figure, results_page, worst_and_best
from twosignal.audits.grading.results import ItemResult, Results
from twosignal.audits.render import excerpt
from twosignal.commands.console import console_for, print_json, write_page
from twosignal.records.reader import open_run

STYLES = {
    "healthy": "bold green",
    "metric gaming": "bold red",
    "metric blind": "bold yellow",
    "poor": "bold yellow",
    "undecided": "bold cyan",
}
SHOWN = 6
"""Samples printed: the worst half, then the best."""


def run(options: Namespace) -> int:
    """Run the command."""
    found = open_run(options.run, options.runs)
    results = run_results(found, choose_bundle(found.path, options.bundle, graded=True))
    if options.html:
        write_page(options.html, results_page(results))
    if options.json:
        print_json(results.as_dict())
        return 0
    console = console_for(options)
    _print(results, console)
    if options.html:
        console.print(f"page: {options.html}", markup=False, soft_wrap=True)
    return 0


def _print(results: Results, console: Console) -> None:
    reading = results.reading
    verdict = Table.grid(padding=(0, 2))
    verdict.add_row(Text(reading.kind.upper(), STYLES[reading.kind]), Text(f"{reading.reason}."))
    console.print(Text(f"Grades of {results.run}, bundle {results.bundle}", "bold"))
    console.print(verdict)
    console.print()
    agreement, means = results.agreement, results.means
    for line in (
        f"{len(results.samples)} samples drawn from {results.population:,}; mean grade {figure(means.get('sample'))} "
        f"({_span(results.interval)}); sound controls {figure(means.get('sound'))}, broken ones "
        f"{figure(means.get('broken'))}",
        f"Krippendorff's alpha (ordinal): {figure(agreement.all_items)} over all items, {figure(agreement.samples)} "
        f"over samples ({_span(agreement.samples_interval)})",
        f"rank correlation of grades: with coherence {figure(results.correlations['coherence'])}, with loss "
        f"{figure(results.correlations['loss'])}",
        "faults of samples: "
        + (", ".join(f"{name} {n}" for name, n in results.faults.items()) or "none ticked"),
    ):
        console.print(line, markup=False)
    console.print()
    console.print(_graders(results.graders))
    _print_plot(results, console)
    for item in worst_and_best(results.samples, SHOWN):
        console.print(_item(item))


def _print_plot(results: Results, console: Console) -> None:
    found = {axis: points(results.items, axis) for axis in ("coherence", "loss")}
    axis = "coherence" if any(dot.sort == "sample" for dot in found["coherence"]) else "loss"
    console.print()
    if not found[axis]:
        return
    for line in text_plot(found[axis], axis):
        console.print(line, markup=False)
    console.print("     o sample   + sound control   x broken control   # several", markup=False)
    console.print()


def _graders(cards: Sequence[GraderCard]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in (
        "grader",
        "grades",
        "left out",
        "mean",
        "controls in order",
        "apart when asked twice",
        "counts",
    ):
        table.add_column(name, justify="left" if name == "grader" else "right")
    for card in cards:
        table.add_row(
            Text(excerpt(card.grader, 40)),
            str(card.num_grades),
            str(card.num_missing),
            figure(card.mean),
            figure(card.attention),
            figure(card.consistency),
            "yes" if card.counts else "no",
        )
    return table


def _item(item: ItemResult) -> Table:
    about = f"step {item.step:,}  loss {figure(item.loss)}  coherence {figure(item.coherence)}"
    faults = "".join(f"  {name} {count}" for name, count in item.faults.items())
    block = Table.grid(padding=(0, 2))
    block.add_column(width=6)
    block.add_column(ratio=1)
    block.add_row(Text(f"{item.grade:.1f}", "bold"), Text(about + faults, "dim"))
    block.add_row("", Text("> " + excerpt(item.prompt, 160, lines=3), "dim"))
    block.add_row("", Text(excerpt(item.text) or "(nothing)"))
    return block


def _span(interval: tuple[float, float]) -> str:
    return f"{figure(interval[0])} to {figure(interval[1])}"
