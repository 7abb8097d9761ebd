"""What the audits read from a record: takes steps and event bodies, gives `Sample` and `Probe`."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from twosignal.errors import RunError

Body = Mapping[str, object]
"""Body of one event as read from the record: plain JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One text the model wrote by itself."""

    step: int
    """Optimizer step after which it was drawn."""
    text: str
    """The generated text, without the prompt."""
    prompt: str = ""
    """What the model was given; may be empty."""
    loss: float | None = None
    """Mean nats per generated token under the model; nan where it was not finite, None where not recorded."""
    tokens: int = 0
    """Generated tokens; 0 where not recorded."""
    source: str = ""
    """Source of the prompt."""
    domain: str = ""
    """What the prompt is about; falls back to the source."""
    copied: Body | None = None
    """What the copy index said of it, as recorded by `copying.Trace`; None where it was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLoss:
    """Held-out loss of one source at one probe."""

    loss: float
    """Mean nats per target; nan where it was not finite."""
    targets: int
    """Targets measured."""
    num_bytes: int
    """UTF-8 bytes those targets stand for."""

    @property
    def bits_per_byte(self) -> float | None:
        """Loss in bits per byte of text, comparable between tokenizers; None without bytes."""
        if self.num_bytes == 0:
            return None
        return self.loss * self.targets / self.num_bytes / math.log(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Held-out losses at one step."""

    step: int
    """Optimizer step after which it was measured."""
    loss: float
    """Mean nats per target over all sources; nan where it was not finite."""
    by_source: Mapping[str, SourceLoss]
    """Name of the source to its loss."""


S = TypeVar("S", Sample, Probe)


def read_sample(step: int, body: Body) -> Sample:
    """Return the sample of an event body; raise RunError where a field has the wrong type."""
    where = f"sample at step {step:,}"
    if not isinstance(body.get("text"), str):
        raise RunError(
            "a sample without its text cannot be audited",
            where=where,
            found=repr(body.get("text")),
            expected="text, as a string",
        )
    source = _text(body, "source")
    return Sample(
        step=step,
        text=_text(body, "text"),
        prompt=_text(body, "prompt"),
        loss=_number(body["loss"], f"{where}, loss") if "loss" in body else None,
        tokens=_count(body, "tokens"),
        source=source,
        domain=_text(body, "domain") or source,
        copied=copied if isinstance(copied := body.get("copied"), Mapping) else None,
    )


def read_probe(step: int, body: Body) -> Probe:
    """Return the probe of an event body; raise RunError where a field has the wrong type."""
    where = f"probe at step {step:,}"
    by_source = body.get("by_source", {})
    if not isinstance(by_source, Mapping) or not all(isinstance(v, Mapping) for v in by_source.values()):
        raise RunError("the losses by source cannot be read", where=where, found=repr(by_source))
    return Probe(
        step=step,
        loss=_number(body.get("loss"), where),
        by_source={
            str(name): SourceLoss(
                loss=_number(one.get("loss"), f"{where}, source {name}"),
                targets=_count(one, "targets"),
                num_bytes=_count(one, "bytes"),
            )
            for name, one in by_source.items()
        },
    )


def known_number(body: Body, name: str) -> float | None:
    """Return a field as a finite number; None where it is none, or was not recorded."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def newest_telling(items: Iterable[S]) -> list[S]:
    """Return the items in step order, without those that a later attempt of the run told anew.

    A resumed or rolled-back run goes over some steps twice. Where the steps turn back, everything
    recorded from that step on belongs to the abandoned attempt.
    """
    kept: list[S] = []
    for item in items:
        if kept and item.step < kept[-1].step:
            kept = [earlier for earlier in kept if earlier.step < item.step]
        kept.append(item)
    return kept


def _text(body: Body, key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""


def _count(body: Body, key: str) -> int:
    value = body.get(key)
    return value if isinstance(value, int) else 0


def _number(value: object, where: str) -> float:
    """Return a recorded loss; None and the words nan and inf are how JSON writes what is not finite."""
    if value is None or value in ("nan", "NaN", "inf", "Infinity"):
        return math.nan
    if isinstance(value, (int, float)):
        return float(value)
    raise RunError("a loss must be a number", where=where, found=repr(value), expected="nats per token")
