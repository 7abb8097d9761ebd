"""May a run go on: takes what it was started with and what is here now, gives a sentence where the two differ."""

from collections.abc import Mapping
from typing import Any

from twosignal.config import Config
from twosignal.errors import RunError
from twosignal.packs.prepare import MIX_FIELDS
from twosignal.records.reader import Run
from twosignal.runfile import config_hash

SETTLED = ("run.steps", "run.epochs", "run.tokens", "run.hours", "rows.tokens")
"""Settings that a run stores as what came of them, so that they differ from the run file without being changed."""


def check_inputs(run: Run, fingerprints: Mapping[str, str]) -> None:
    """Raise RunError when the data, hashed by source, is not what the run's first record says.

    A run that was killed before its first record fits any data.
    """
    told = next(run.events("start"), None)
    inputs = told.body.get("inputs") if told else None
    if not isinstance(inputs, dict):
        return
    changed = [name for name, fingerprint in fingerprints.items() if inputs.get(name) != fingerprint]
    if changed:
        # A tokenizer grown on changed data changes every source, so no single one can be blamed.
        message = f"the data of {' or '.join(changed)} is not what the run was started with"
        remedy = "Put the old data back, or start a new run with --resume never."
        raise RunError(message, where=str(run.path), remedy=remedy)


def check_config(config: Config, run: Run, *, started: Config) -> None:
    """Raise RunError naming a setting in which `config` is not the one that `run` was `started` with.

    How the sources are mixed may change: floors, caps, weights and the [curriculum] table.
    """
    if run.config.get("resolved", {}).get("config") == config_hash(config):
        return
    asked, had = _settings(config), _settings(started)
    changed = [name for name in asked | had if asked.get(name) != had.get(name)]
    names = [name for name in changed if not is_of_the_mix(name)]
    asks_anew = any(asked.get(name) is not None for name in ("run.steps", "rows.tokens") if name in names)
    if len(names) < len(changed) and not asks_anew and all(name in SETTLED for name in names):
        return
    name = next((name for name in names if name not in SETTLED), "run.steps")
    raise RunError(
        f"the run was started with another {name}",
        where=str(run.path),
        found=str(asked.get(name)),
        expected=str(had.get(name)),
        remedy="Give the run file as it was, or start a new run with --resume never.",
    )


def is_of_the_mix(name: str) -> bool:
    """Return whether a setting says how often sources are drawn, and nothing else."""
    table, _, rest = name.partition(".")
    return table == "curriculum" or (table == "sources" and rest.rpartition(".")[2] in MIX_FIELDS)


def check_target(run: Run, weights: Mapping[str, float]) -> None:
    """Raise RunError when the run would go on to be judged by another target than its first record says."""
    told = next(run.events("start"), None)
    had = told.body.get("target") if told else None
    if not isinstance(had, dict) or had == dict(weights):
        return
    raise RunError(
        "the target of a run cannot change: its losses would not compare",
        where=str(run.path),
        found=_mixture(weights),
        expected=_mixture(had),
        remedy="Name the old target in [curriculum], or start a new run with --resume never.",
    )


def _mixture(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:.0%}" for name, weight in weights.items()) or "none"


def _settings(config: Config) -> dict[str, object]:
    """Return every setting by its dotted name."""
    flat: dict[str, object] = {}
    tables: list[tuple[str, Any]] = [("", config.model_dump(by_alias=True))]
    while tables:
        prefix, table = tables.pop(0)
        for name, value in table.items():
            if isinstance(value, dict):
                tables.append((f"{prefix}{name}.", value))
            else:
                flat[f"{prefix}{name}"] = value
    return flat
