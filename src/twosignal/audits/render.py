"""The audit as a page of text: takes a `Report`, prints it to a rich console, 100 columns and up."""

import unicodedata
from collections.abc import Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from twosignal.audits.checklist import breadth_line
from twosignal.audits.finding import Finding
from twosignal.audits.mix import split_line
from twosignal.audits.progress import SourceProgress
from twosignal.audits.report import Report
from twosignal.audits.sample_audit import TextCheck, worth_reading
from twosignal.records.smoothing import perplexity

EXCERPT_CHARACTERS = 280
EXCERPT_LINES = 8
PROMPT_CHARACTERS = 160
MAX_TEXTS = 12
_DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

VERDICT_STYLES = {"continue": "bold green", "pivot": "bold yellow", "halt": "bold red"}
SEVERITY_STYLES = {"alarm": "bold red", "warning": "yellow", "note": "cyan"}
ACTION_STYLES = {"INVESTIGATE": "red", "ACCEPT_WITH_NOTE": "yellow", "ACCEPT": "green"}


def render_text(report: Report, console: Console, *, num_texts: int = MAX_TEXTS) -> None:
    """Print the report: window and verdict, tiers, probes, breadth, at most `num_texts` samples, findings."""
    for block in (
        _headline(report),
        _tiers_table(report),
        _probes_table(report.progress),
        _breadth_lines(report),
        *_text_blocks(report, num_texts),
        _findings_block(report.findings),
    ):
        console.print(block)
        console.print()


def excerpt(text: str, length: int = EXCERPT_CHARACTERS, *, lines: int = EXCERPT_LINES) -> str:
    """Return the beginning of `text`, safe to print: no control characters, and "..." where it goes on."""
    visible = printable(text.strip())
    cut = "\n".join(visible[:length].splitlines()[:lines])
    return cut if cut == visible else cut.rstrip() + " ..."


def printable(text: str) -> str:
    """Return `text` safe to print: no control characters but line ends, and none that turn the direction."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    is_control = unicodedata.category(character) in ("Cc", "Cs") and character != "\n"
    if character == "\t":
        return "    "
    return "\N{REPLACEMENT CHARACTER}" if is_control or character in _DIRECTIONS else character


def _headline(report: Report) -> RenderableType:
    first, last = report.steps
    samplings = len({text.step for text in report.checks.texts})
    window = Text.assemble(
        ("Audit of ", "bold"),
        (report.run, "bold"),
        f"\nsteps {first:,} to {last:,}, {_count(samplings, 'sampling')}, "
        f"{_count(len(report.checks.texts), 'text')}\n",
    )
    verdict = report.verdict
    line = Table.grid(padding=(0, 2))
    line.add_row(
        Text(verdict.kind.upper(), VERDICT_STYLES.get(verdict.kind, "bold")),
        Text(excerpt(_sentence(verdict.reason), 1000)),
    )
    line.add_row("", Text(excerpt(_sentence(report.advice), 1000), "dim"))
    return Group(window, line)


def _tiers_table(report: Report) -> RenderableType:
    table = _table("Tiers of sample loss (nats per token)")
    table.add_column("tier")
    table.add_column("samples", justify="right")
    table.add_column("loss", justify="right")
    table.add_column("ppl", justify="right")
    table.add_column("usually")
    table.add_column("action")
    for tier in report.checks.tiers:
        table.add_row(
            tier.tier,
            str(tier.num_samples),
            _range(f"{tier.lowest:.2f}", f"{tier.highest:.2f}"),
            _range(f"{perplexity(tier.lowest):,.2f}", f"{perplexity(tier.highest):,.2f}"),
            tier.reading,
            _action(tier.action),
        )
    return table if table.row_count else Text("Tiers of sample loss: no losses recorded")


def _probes_table(progress: Sequence[SourceProgress]) -> RenderableType:
    if not progress:
        return Text("Held-out loss: no probes recorded")
    table = _table("Held-out loss by source (nats per token)")
    for name in ("source", "first", "lowest", "last", "change", "bits/byte"):
        table.add_column(name, justify="left" if name == "source" else "right")
    for one in progress:
        change = one.last - one.first
        table.add_row(
            excerpt(one.source, 30),
            _at(one.first, one.first_step),
            _at(one.lowest, one.lowest_step),
            _at(one.last, one.last_step),
            Text(f"{change:+.3f}", "red" if change > 0 else "green"),
            "" if one.bits_per_byte is None else f"{one.bits_per_byte:.3f}",
        )
    return table


def _breadth_lines(report: Report) -> RenderableType:
    lines = Table.grid(padding=(0, 2))
    lines.add_row(Text("Breadth", "bold"), Text(excerpt(breadth_line(report), 1000)))
    if report.mix is not None:
        lines.add_row(Text("Mix", "bold"), Text(split_line(report.mix)))
    lines.add_row(Text("Grading", "bold"), Text(report.checks.grading))
    return lines


def _text_blocks(report: Report, num_texts: int) -> list[RenderableType]:
    texts = report.checks.texts
    shown = worth_reading(texts, num_texts)
    if not shown:
        return [Text("Samples: none in this window")]
    heading = (
        "Samples" if len(shown) == len(texts) else f"Samples ({len(shown)} of {len(texts)}; --json has all)"
    )
    return [Text(heading, "bold"), *(_text_block(text) for text in shown)]


def _text_block(text: TextCheck) -> RenderableType:
    facts = Text()
    if text.loss is not None and text.perplexity is not None:
        facts.append(f"loss {text.loss:.2f}  ppl {text.perplexity:,.2f}  {text.tier}  ")
        facts.append_text(_action(text.action))
        facts.append("  ")
    if text.judged_total is not None:
        facts.append(f"coherence {text.judged_total:.1f}  ")
    facts.append(", ".join(text.faults), "yellow")
    body = [facts]
    if text.prompt:
        body.append(Text("> " + excerpt(text.prompt, PROMPT_CHARACTERS, lines=3), "dim"))
    body.append(Text(excerpt(text.text) or "(nothing)"))
    block = Table.grid(padding=(0, 2))
    block.add_column(width=16, overflow="fold")
    block.add_column(ratio=1)
    block.add_row(
        Text.assemble((f"{text.step:,}", "bold"), "\n", (excerpt(text.domain, 30), "dim")), Group(*body)
    )
    return block


def _findings_block(findings: Sequence[Finding]) -> RenderableType:
    if not findings:
        return Text("Findings: none")
    block = Table.grid(padding=(0, 2))
    block.add_column(width=8)
    block.add_column(ratio=1)
    for finding in findings:
        body = Text.assemble((finding.id, "bold"), "\n", excerpt(_sentence(finding.message), 1000))
        if finding.remedy:
            body.append("\n" + finding.remedy, "dim")
        block.add_row(Text(finding.severity, SEVERITY_STYLES[finding.severity]), body)
    return Group(Text("Findings", "bold"), block)


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )


def _action(action: str) -> Text:
    return Text(action, ACTION_STYLES.get(action, ""))


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _at(loss: float, step: int) -> Text:
    return Text.assemble(f"{loss:.3f}", (f" at {step:,}", "dim"))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", '"')) else ".")
