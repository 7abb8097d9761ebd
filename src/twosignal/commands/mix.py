"""`twosignal mix RUN`: takes a run, shows its mix of sources, or asks its trainer for another from the next step on."""

import json
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from twosignal.commands.console import console_for, print_json
from twosignal.curriculum.request import MixSettings, check_settings, described
from twosignal.errors import InputError, RunError
from twosignal.records.reader import Run, open_run
from twosignal.records.requests import put_request, refusal_of

PATIENCE_SECONDS = 30.0
"""How long the trainer of a live run is waited for; it takes a request up when the step in hand is done."""
LOOK_SECONDS = 0.1
OVER = ("finished", "halted", "refused")


def run(options: Namespace) -> int:
    """Run the command."""
    found = open_run(options.run, options.runs)
    settings = read_options(options)
    console = console_for(options)
    if not any(settings.values()):
        return _show(found, console, as_json=options.json)
    check_settings(settings, list(found.config.get("sources", {})))
    if found.state in OVER:
        message = f"the run is {found.state}: no step is left to mix"
        raise RunError(message, where=str(found.path), remedy="Start a new run with this mix.")
    return _ask(found, settings, console, as_json=options.json)


def read_options(options: Namespace) -> MixSettings:
    """Return what --set, --cap and --release ask for; raise InputError where one looks otherwise."""
    return {
        "set": _pairs(options.set, "--set"),
        "cap": _pairs(options.cap, "--cap"),
        "release": list(options.release),
    }


def _pairs(given: Sequence[str], option: str) -> dict[str, float]:
    pairs: dict[str, float] = {}
    for text in given:
        name, equals, value = text.rpartition("=")
        try:
            share = float(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            message = "a share must look like SOURCE=SHARE"
            raise InputError(message, where=f"{option} {text}", expected=f"for example {option} books=0.2")
        if name in pairs:
            message = f"{name} is given twice"
            raise InputError(message, where=f"{option} {text}")
        pairs[name] = share
    return pairs


def _ask(found: Run, settings: MixSettings, console: Console, *, as_json: bool) -> int:
    """Leave the request for the trainer; wait a while until it says what it did."""
    number = put_request(found.path, settings)
    answer = _wait(found, number) if found.state == "running" else None
    if answer is None and found.state in OVER:
        message = f"the run ended ({found.state}) before it could take the request up"
        raise RunError(message, where=str(found.path), remedy="Start a new run with this mix.")
    if answer is None:
        when = "at the next step" if found.state == "running" else "when the run goes on"
        console.print(
            f"request {number} ({described(settings)}) is left for {found.id}, which is {found.state}; it takes "
            f"effect {when}",
            markup=False,
            soft_wrap=True,
        )
    else:
        console.print(f"in effect after step {answer['step']:,}", soft_wrap=True)
        for reason in answer["reasons"]:
            console.print(f"  {reason}", markup=False, soft_wrap=True)
        console.print(_shares_table(answer["shares"]))
    if as_json:
        told = answer or {"step": None, "shares": None, "reasons": []}
        print_json({"run": found.id, "request": number, "state": found.state, **told})
    return 0


def _wait(found: Run, number: int) -> dict[str, Any] | None:
    """Return what the records say of a request; None when they say nothing for long. Raises RunError for a refused one."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        if answer := _answer(found, number):
            return answer
        if reason := refusal_of(found.path, number):
            message = f"the trainer does not follow the request: {reason}"
            raise RunError(message, where=str(found.path))
        if time.monotonic() > until or found.state != "running":
            return None
        time.sleep(LOOK_SECONDS)


def _answer(found: Run, number: int) -> dict[str, Any] | None:
    switches = [event for event in found.events("switch") if event.body.get("request") == number]
    if not switches:
        return None
    last = switches[-1]
    reasons = [event.text("reason") for event in switches]
    return {"step": last.step, "shares": last.body["shares"], "reasons": reasons}


def _show(found: Run, console: Console, *, as_json: bool) -> int:
    mix = _read_mix(found)
    if as_json:
        print_json({**mix, "state": found.state})
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("source", "share", "by size", "floor", "cap", "rows drawn", "epochs", "loss", ""):
        table.add_column(name, justify="left" if name in ("source", "") else "right")
    for name, arm in mix["arms"].items():
        table.add_row(name, *_figures(arm, base=mix["base"].get(name, 0.0)))
    console.print(
        f"{found.id}, {found.state}, after step {mix['step']:,}: policy {mix['policy']}", soft_wrap=True
    )
    console.print(table)
    for choice in mix["choices"][:3]:
        console.print(
            f"step {choice['step']:,} ({choice['kind']}): {choice['reason']}", markup=False, soft_wrap=True
        )
    return 0


def _read_mix(found: Run) -> dict[str, Any]:
    path = found.path / "bandit.json"
    try:
        mix: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        message = "the run has no curriculum on record yet"
        raise RunError(message, where=str(path), remedy="Wait for its first step.") from error
    except (OSError, ValueError) as error:
        raise RunError("the mix cannot be read", where=str(path), found=str(error)[:120]) from error
    if not isinstance(mix, dict) or not isinstance(mix.get("arms"), dict):
        message = "the mix was written by another version of twosignal"
        raise RunError(message, where=str(path))
    return mix


def _figures(arm: Mapping[str, Any], *, base: float) -> list[str]:
    loss, override = arm.get("loss"), arm.get("override")
    why = f"set by the {override['by']}" if override else ""
    closed = f"closed: {arm['closed']}" if arm.get("closed") else ""
    return [
        f"{arm['share']:.1%}",
        f"{base:.1%}",
        f"{arm['floor']:.0%}",
        f"{arm['cap']:.0%}",
        f"{arm['drawn']:,}",
        f"{arm['epochs']:.2f}",
        "" if not isinstance(loss, (int, float)) else f"{loss:.3f}",
        "; ".join(part for part in (why, closed) if part),
    ]


def _shares_table(shares: Mapping[str, float]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{share:.1%}")
    return table
