"""`twosignal show CONFIG`: takes a run file, shows examples as the model sees them, the supervised part marked."""

from argparse import Namespace
from collections.abc import Iterator
from itertools import islice

from rich.console import Console

from twosignal.commands.console import console_for, print_json
from twosignal.config import Config
from twosignal.errors import ConfigError
from twosignal.packs.prepare import PreparedSource
from twosignal.runfile import load_config
from twosignal.tokens.example import Example
from twosignal.tokens.show import Shown, show_html, show_json, show_terminal
from twosignal.train.data import prepare_data


def run(options: Namespace) -> int:
    """Run the command."""
    console = console_for(options)
    config = load_config(options.config, options.set)
    names = _names(config, options.source)
    data = prepare_data(
        config,
        folder=options.config.parent,
        runs_dir=options.runs,
        say=Console(stderr=True, highlight=False).print,
    )
    shown = [
        one
        for source in (data.sources[name] for name in names)
        for one in islice(_segments(source) if options.packed else _examples(source), options.n)
    ]
    if options.html is not None:
        show_html(data.tokenizer, shown, path=options.html)
        console.print(f"wrote {options.html}", markup=False, soft_wrap=True)
    elif options.json:
        for one in shown:
            print_json(show_json(data.tokenizer, one))
    else:
        show_terminal(data.tokenizer, shown, console=console)
    return 0


def _names(config: Config, source: str | None) -> list[str]:
    """Return the sources to show; all are read in any case, since the tokenizer is grown on all."""
    if source is None:
        return list(config.sources)
    if source not in config.sources:
        message = f"there is no source {source!r}"
        raise ConfigError(message, where="--source", expected=", ".join(config.sources))
    return [source]


def _examples(source: PreparedSource) -> Iterator[Shown]:
    return (Shown(example=source.store[number]) for number in range(len(source.store)))


def _segments(source: PreparedSource) -> Iterator[Shown]:
    """Yield the segments of the first epoch's rows, as the loss sees them: a target counts in its own segment."""
    for row in range(len(source.stream.plan)):
        at = 0
        pack = source.stream.row(source.stream.plan, row)
        for segment in pack.segments:
            part = slice(at, at + segment.length)
            at += segment.length
            whole = source.store[segment.example]
            supervised = whole.supervised[segment.start : segment.start + segment.length].copy()
            supervised[0] = False
            example = Example(
                ids=pack.ids[part],
                supervised=supervised,
                origin=segment.origin,
                is_conversation=whole.is_conversation,
                domain=whole.domain,
            )
            yield Shown(example=example, row=row)
