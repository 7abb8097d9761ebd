"""What a run is judged by: takes the run file's target, gives held-out rows with fixed weights.

The weights never move while the shares of the rows do, so neither the best checkpoint nor the gate takes a change of mix for
progress. The policy's own probes read other held-out rows than the reported ones, as far as a source has enough of them.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twosignal.config import Config, SourceTable
from twosignal.curriculum.policy import Shares
from twosignal.errors import ConfigError
from twosignal.packs.pack import Pack
from twosignal.packs.prepare import PreparedSource, Say, prepare
from twosignal.packs.store import ExampleStore
from twosignal.tokens.tokenizer import Tokenizer

_PATH_SIGNS = "/\\*.:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing the model is to become good at."""

    name: str
    """The source's name, or a file's without its suffix."""
    weight: float
    """Part of the whole; the weights of all targets sum to 1."""
    rows: tuple[Pack, ...]
    """Held-out rows that are reported."""
    policy_rows: tuple[Pack, ...]
    """Held-out rows that the policy probes."""
    store: ExampleStore
    """Where its examples are."""
    is_file: bool = False
    """Read from a file of its own, not a part of a source."""


def find_targets(
    sources: Mapping[str, PreparedSource],
    config: Config,
    *,
    files: Mapping[str, PreparedSource],
    base: Shares,
) -> tuple[Target, ...]:
    """Return the run file's targets; by default all sources of conversations, else all sources, by their base shares.

    `files`: prepared files that the run file names as targets, by what it calls them. Without anything held out there is no
    target. Raises ConfigError for a target that has no held-out part.
    """
    asked = config.curriculum.target
    if not asked:
        return _own_targets(sources, base)
    weights = asked if isinstance(asked, dict) else dict.fromkeys(asked, 1.0)
    whole = sum(weights.values())
    found = []
    for name, weight in weights.items():
        if name in files:
            found.append(_file_target(files[name], config, weight / whole))
            continue
        if not sources[name].probe_rows:
            message = f"the target {name} has no held-out part to be measured on"
            remedy = f"Raise held_out in [sources.{name}], or name another target."
            raise ConfigError(message, where="[curriculum] target", remedy=remedy)
        found.append(_source_target(sources[name], weight / whole))
    return tuple(found)


def prepare_files(
    config: Config, tokenizer: Tokenizer, *, folder: Path, cache: Path, row_tokens: int, say: Say
) -> dict[str, PreparedSource]:
    """Read and pack the files among the run file's targets, by what it calls them; nothing of them is trained on.

    Raises ConfigError for a name that is neither a source nor looks like a path, SourceError for a file that cannot be read.
    """
    paths = [name for name in config.curriculum.target if name not in config.sources]
    tables: dict[str, SourceTable] = {}
    for path in paths:
        if not any(sign in path for sign in _PATH_SIGNS):
            raise _unknown_source(path, list(config.sources))
        tables[_slug(path, taken=[*config.sources, *tables])] = SourceTable(path=path, held_out=0.0)
    if not tables:
        return {}
    alone = config.model_copy(update={"sources": tables})
    prepared = prepare(alone, tokenizer, folder=folder, cache=cache, row_tokens=row_tokens, say=say)
    return dict(zip(paths, prepared.values(), strict=True))


def check_names(config: Config) -> None:
    """Raise ConfigError, with the nearest name, when the warmup phase or `on_resume` names a source that there is not."""
    table = config.curriculum
    arms = table.on_resume if isinstance(table.on_resume, dict) else {}
    for name in (*table.warmup_sources, *arms):
        if name not in config.sources:
            raise _unknown_source(name, list(config.sources))


def _own_targets(sources: Mapping[str, PreparedSource], base: Shares) -> tuple[Target, ...]:
    measurable = {name: source for name, source in sources.items() if source.probe_rows}
    chats = {name: source for name, source in measurable.items() if source.ledger.conversations}
    chosen = chats or measurable
    weights = {name: base[name] for name in chosen}
    if not any(weights.values()):
        weights = dict.fromkeys(chosen, 1.0)
    whole = sum(weights.values())
    return tuple(
        _source_target(source, weights[name] / whole) for name, source in chosen.items() if weights[name]
    )


def _source_target(source: PreparedSource, weight: float) -> Target:
    return Target(
        name=source.name,
        weight=weight,
        rows=source.probe_rows,
        policy_rows=source.policy_rows,
        store=source.store,
    )


def _file_target(source: PreparedSource, config: Config, weight: float) -> Target:
    """Cut a file's rows as a source's held-out rows are cut: first the reported ones, then the policy's."""
    plan, own = source.stream.plan, config.curriculum.probe_rows
    reported = min(len(plan), config.probes.rows or len(plan))
    first = reported if reported + own <= len(plan) else 0
    rows = [source.stream.row(plan, number) for number in range(max(reported, min(first + own, len(plan))))]
    return Target(
        name=source.name,
        weight=weight,
        rows=tuple(rows[:reported]),
        policy_rows=tuple(rows[first : first + own]),
        store=source.store,
        is_file=True,
    )


def _slug(path: str, *, taken: Sequence[str]) -> str:
    """Return a name for a file that no source or other target has."""
    stem = re.sub(r"[^\w.-]+", "-", Path(path).stem or path).strip("-.")[:56] or "target"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def _unknown_source(name: str, known: Sequence[str]) -> ConfigError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    remedy = f"Did you mean {near[0]}?" if near else f"The sources are {', '.join(known)}."
    return ConfigError(f"there is no source {name}", where="[curriculum]", found=repr(name), remedy=remedy)
