"""Samples of a run that we did not record: takes a `.jsonl` file, gives a `Past`.

One sample a line: `{"step": 80000, "text": "...", "prompt": "...", "loss": 3.6, "time": 1774137600}`; prompt, loss and
time may be missing. `loss` is the training loss at that step, in nats per target; `time` seconds, or a date as in ISO 8601.
Samples are put in the order of their steps; several of one step are one panel.
"""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from twosignal.audits.backtest import Past
from twosignal.audits.recorded import Sample
from twosignal.errors import InputError

EXPECTED = '{"step": 100, "text": "...", "prompt": "...", "loss": 2.5, "time": 0.0}, the last three optional'


def read_samples(path: Path) -> Past:
    """Return what a file of samples tells; raise InputError with file and line where it cannot be read."""
    samples: list[Sample] = []
    clock: dict[int, float] = {}
    for number, line in enumerate(_bytes(path).split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        told = _told(line, where)
        sample = _sample(told, where)
        samples.append(sample)
        time = _time(told.get("time"), where)
        if time is not None:
            clock[sample.step] = max(time, clock.get(sample.step, time))
    if not samples:
        raise InputError("there are no samples", where=str(path), expected=f"lines such as {EXPECTED}")
    samples.sort(key=lambda sample: sample.step)
    losses: dict[int, list[float]] = {}
    for sample in samples:
        if sample.loss is not None:
            losses.setdefault(sample.step, []).append(sample.loss)
    return Past(
        samples=tuple(samples),
        curve=tuple((step, sum(several) / len(several)) for step, several in losses.items()),
        clock=tuple(sorted(clock.items())),
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InputError(message, where=str(path)) from error


def _told(line: bytes, where: str) -> Mapping[str, object]:
    try:
        told = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        message = f"the line is not JSON: {error}"
        raise InputError(message, where=where, expected=EXPECTED) from error
    if not isinstance(told, dict):
        raise InputError("the line is not a sample", where=where, found=repr(told)[:60], expected=EXPECTED)
    return told


def _sample(told: Mapping[str, object], where: str) -> Sample:
    step, text, prompt, loss = (told.get(name) for name in ("step", "text", "prompt", "loss"))
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        raise InputError(
            "the sample has no step", where=where, found=repr(step)[:60], expected="a whole number from 0 on"
        )
    if not isinstance(text, str):
        raise InputError("the sample has no text", where=where, found=repr(text)[:60], expected=EXPECTED)
    if prompt is not None and not isinstance(prompt, str):
        raise InputError("the prompt is not a string", where=where, found=repr(prompt)[:60])
    return Sample(step=step, text=text, prompt=prompt or "", loss=_loss(loss, where))


def _loss(value: object, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, str) and value.lower() in ("nan", "inf", "infinity"):
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(
            "the loss is not a number", where=where, found=repr(value)[:60], expected="nats per target"
        )
    return float(value)


def _time(value: object, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError as error:
        raise InputError(
            "the time cannot be read",
            where=where,
            found=repr(value)[:60],
            expected="seconds, or a date such as 2026-03-22T18:00:00",
        ) from error
