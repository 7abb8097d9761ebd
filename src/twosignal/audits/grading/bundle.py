"""A blind bundle: takes samples and controls, gives what graders see (`Bundle`) and what they must not (`Key`).

Graders see prompt and text under a random name, in a random order: no step, loss, score, source or run. The key
says what each item is. It is written before anybody grades, and its SHA-256 stands in the bundle (commit, then
reveal): nobody can say afterwards that an item was another one.
"""

import hashlib
import hmac
import json
import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from twosignal.audits.degeneration import score_texts
from twosignal.audits.grading.controls import Passage, bare, broken_controls, sound_controls
from twosignal.audits.recorded import Sample
from twosignal.audits.sampling import judge_text
from twosignal.errors import RunError
from twosignal.records.values import Json, decode, encode

VERSION = 1
CONTROL_SHARE = 0.1
"""Sound controls, broken controls and repeated samples, each as a share of the samples."""
LEAST_CONTROLS = 4
"""With four of a kind, one in eighteen who grade by chance puts enough of the 16 pairs in order; with three, one in ten."""

Sort = Literal["sample", "sound", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One text as graders see it."""

    item: str
    """Random name."""
    prompt: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What an item is."""

    item: str
    """The item's name."""
    sort: Sort
    """sample: the model wrote it; sound: held-out text; broken: made to be bad."""
    repeats: str = ""
    """Name of the item it shows again; empty for most."""
    step: int = 0
    """Step of the sample."""
    loss: float | None = None
    """Nats per token of the sample."""
    source: str = ""
    domain: str = ""
    coherence: float | None = None
    """The classic total the gate judges by, 0 to 100; None for a text too short to judge alone."""
    degenerate: bool | None = None
    """What `score` says of the text."""
    origin: str = ""
    """File and line of a control."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Everything graders must not know."""

    bundle: str
    """Name of the bundle."""
    run: str
    """Id of the run."""
    fingerprint: str
    """The run's record at that moment, as the hash of its last line."""
    seed: int
    """Drew the samples."""
    population: int
    """Samples they were drawn from."""
    secret: str
    """Named and ordered the items; hexadecimal."""
    items: tuple[Secret, ...]

    def to_bytes(self) -> bytes:
        """Return the key as it is stored and hashed."""
        return _file("grading key", asdict(self) | {"items": [asdict(one) for one in self.items]})

    @classmethod
    def from_bytes(cls, data: bytes, *, where: str) -> "Key":
        """Return the key of a file; raise RunError where it is none."""
        values = _read(data, "grading key", where=where)
        try:
            return cls(**values | {"items": tuple(Secret(**one) for one in values["items"])})
        except (TypeError, KeyError) as error:
            raise _damaged("grading key", where, str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What graders get."""

    bundle: str
    """Random name."""
    key_sha256: str
    """SHA-256 of the sealed key."""
    items: tuple[Item, ...]
    """In the order they are shown."""

    def to_bytes(self) -> bytes:
        """Return the bundle as it is stored and hashed."""
        return _file("grading bundle", asdict(self) | {"items": [asdict(one) for one in self.items]})

    @classmethod
    def from_bytes(cls, data: bytes, *, where: str) -> "Bundle":
        """Return the bundle of a file; raise RunError where it is none."""
        values = _read(data, "grading bundle", where=where)
        try:
            return cls(**values | {"items": tuple(Item(**one) for one in values["items"])})
        except (TypeError, KeyError) as error:
            raise _damaged("grading bundle", where, str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Of which run, and what of it."""

    run: str
    fingerprint: str
    samples: tuple[Sample, ...]
    """All that may be drawn."""
    num_samples: int
    """How many are to be drawn, without putting back; all where there are fewer."""
    seed: int = 0


def seal(drawn: Drawn, known: Sequence[Passage]) -> tuple[Bundle, Key]:
    """Draw samples and controls, name and order them by a new secret; `known` are held-out texts.

    The seed alone decides which samples are drawn, the secret everything graders could learn from.
    """
    draw = random.Random(drawn.seed)
    chosen = draw.sample(list(drawn.samples), min(drawn.num_samples, len(drawn.samples)))
    num_controls = max(LEAST_CONTROLS, round(CONTROL_SHARE * len(chosen)))
    lengths = [len(draw.choice(chosen).text) for _ in range(num_controls)]
    prompts = [bare(draw.choice(chosen).prompt) for _ in lengths]
    contents = [(Passage(prompt=bare(one.prompt), text=one.text), _sample_secret(one)) for one in chosen]
    for sort, made in (
        ("sound", sound_controls(known, lengths, draw=draw)),
        ("broken", broken_controls(known, lengths, draw=draw, prompts=prompts)),
    ):
        contents += [(one, {"sort": sort, "origin": one.origin} | _judged(one)) for one in made]
    repeated = draw.sample(range(len(chosen)), min(len(chosen), num_controls))
    secret = secrets.token_bytes(32)
    named = [(_name(secret, n), passage, told) for n, (passage, told) in enumerate(contents)]
    copies = [
        (_name(secret, len(contents) + n), named[at][1], named[at][2] | {"repeats": named[at][0]})
        for n, at in enumerate(repeated)
    ]
    shown = _ordered(named, copies, secret)
    key = Key(
        bundle=secrets.token_hex(6),
        run=drawn.run,
        fingerprint=drawn.fingerprint,
        seed=drawn.seed,
        population=len(drawn.samples),
        secret=secret.hex(),
        items=tuple(Secret(item=name, **told) for name, _, told in shown),
    )
    items = tuple(Item(item=name, prompt=one.prompt, text=one.text) for name, one, _ in shown)
    return Bundle(bundle=key.bundle, key_sha256=sha256(key.to_bytes()), items=items), key


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


_Named = tuple[str, Passage, dict[str, Any]]


def _ordered(named: Sequence[_Named], copies: Sequence[_Named], secret: bytes) -> list[_Named]:
    """Return the items shuffled, and every copy half a round away from what it shows again.

    Graders go round from different items on, so that only the distance on the circle counts.
    """
    shuffled = sorted(named, key=lambda one: _keyed(secret, f"order {one[0]}"))
    places = {name: number / len(shuffled) for number, (name, _, _) in enumerate(shuffled)}
    places |= {name: (places[told["repeats"]] + 0.5) % 1 for name, _, told in copies}
    return sorted([*shuffled, *copies], key=lambda one: places[one[0]])


def _name(secret: bytes, number: int) -> str:
    return _keyed(secret, f"name {number}").hex()[:12]


def _keyed(secret: bytes, text: str) -> bytes:
    return hmac.digest(secret, text.encode(), "sha256")


def _sample_secret(sample: Sample) -> dict[str, Any]:
    told = {"sort": "sample", "step": sample.step, "loss": sample.loss}
    return told | {"source": sample.source, "domain": sample.domain} | _judged(sample)


def _judged(text: Sample | Passage) -> dict[str, Any]:
    judged = judge_text(text.text)
    score = next(score_texts([text.text], [text.prompt]))
    return {"coherence": None if judged is None else judged.score.total, "degenerate": score.degenerate}


def _file(name: str, values: Mapping[str, object]) -> bytes:
    """Return `values` under a head that says what they are, one item a line."""
    encoded = {key: encode(value, where=key) for key, value in values.items() if key != "items"}
    head = json.dumps({"twosignal": name, "version": VERSION, **encoded})[:-1]
    lines = [json.dumps(encode(one, where="item")) for one in values["items"]]  # type: ignore[attr-defined]
    return (head + ', "items": [\n' + ",\n".join(lines) + "\n]}\n").encode("ascii")


def _read(data: bytes, name: str, *, where: str) -> dict[str, Any]:
    try:
        values: Json = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, where, str(error)) from error
    if not isinstance(values, dict) or (values.pop("twosignal", ""), values.pop("version", 0)) != (
        name,
        VERSION,
    ):
        raise _damaged(name, where, "another file, or one of another version")
    return {key: decode(value) for key, value in values.items()}


def _damaged(name: str, where: str, found: str) -> RunError:
    return RunError(
        f"this is no {name}",
        where=where,
        found=found[:200],
        expected=f"a {name} of version {VERSION}",
        remedy="Restore it from a copy, or export a new bundle.",
    )
