"""Rules that would stop a run: takes a name or a TOML file, gives a `Rule`, whose watchers see a past run step by step.

andrea    the classic total below 30 in 5 samples running
all-four  word pairs and triples both below 30 of 35 in 5 samples running
default   the gate as it stands in `gate.py`, all its rules together
FILE      name, flag, and test, such as

    name = "seven of twenty"
    flag = "degenerate"     # or "total", with below = 30; or "all-four"
    test = "k-of-n"         # with k and n; or "cusum", with p0, p1 and bar
    k = 7
    n = 20
"""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twosignal.audits.coherence import CoherenceScore
from twosignal.audits.degeneration import Score
from twosignal.audits.gate import Gate
from twosignal.audits.recorded import Sample
from twosignal.audits.sample_audit import is_repetitive
from twosignal.audits.sequential import Cusum, KOfN, Test
from twosignal.errors import InputError

RULES = ("default", "andrea", "all-four")
"""Names that need no file, in the order in which they are compared."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A sample with what the scorers say of it."""

    sample: Sample
    """What the model wrote."""
    score: Score
    """What the default scorer says."""

    @cached_property
    def classic(self) -> CoherenceScore:
        """The classic score."""
        return self.score.classic


Flag = Callable[[Judged], bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Everything recorded at one step."""

    step: int
    """The step."""
    panel: tuple[Judged, ...] = ()
    """What the model wrote."""
    probe: float | None = None
    """Held-out loss, nats per target; None where it was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known of the run as a whole."""

    random_chance: float | None = None
    """ln(vocabulary), in nats per token."""
    unigram_loss: float | None = None
    """Entropy of the target frequencies, in nats per token."""


class Watcher(Protocol):
    """Sees one moment after the other."""

    def see(self, moment: Moment) -> str | None:
        """Return why the run should stop here, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A way to stop runs."""

    name: str
    """What it is called in tables."""
    flag: Flag
    """Which single samples it holds against a run; None where it cannot say."""
    start: Callable[[Context], Watcher]
    """Makes a watcher for a run, from its beginning."""


@dataclass(slots=True)
class Counter:
    """Counts flagged samples by a sequential test."""

    flag: Flag
    test: Test

    def see(self, moment: Moment) -> str | None:
        """Return why the run should stop here, or None."""
        fires = False
        for judged in moment.panel:
            flagged = self.flag(judged)
            self.test = self.test.after(flagged)
            fires = fires or (flagged is True and self.test.fires)
        if not fires:
            return None
        if isinstance(self.test, KOfN):
            return f"{self.test.k} of the last {self.test.n} samples are strikes at step {moment.step:,}"
        return f"{self.test.evidence:.1f} nats speak for {self.test.p1:.0%} strikes at step {moment.step:,}"


@dataclass(slots=True)
class GateWatcher:
    """Asks a gate."""

    gate: Gate

    def see(self, moment: Moment) -> str | None:
        """Return why the run should stop here, or None."""
        verdicts = []
        if moment.probe is not None:
            verdicts.append(self.gate.observe_probe(moment.step, moment.probe))
        if moment.panel:
            bodies = [{"text": one.sample.text, "prompt": one.sample.prompt} for one in moment.panel]
            verdicts.append(self.gate.observe_samples(moment.step, bodies))
        halts = (f"{one.reason} (rule {one.rule})" for one in verdicts if one.kind == "halt")
        return next(halts, None)


def find_rules(names: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules of `names`, each one of RULES or the path of a rule file; raise InputError for another."""
    rules = tuple(_find_rule(name) for name in dict.fromkeys(names))
    known: set[str] = set()
    for rule, name in zip(rules, dict.fromkeys(names), strict=True):
        if rule.name in known:
            raise InputError(
                "two rules have the same name", where=name, found=rule.name, remedy="Rename one of them."
            )
        known.add(rule.name)
    return rules


def _find_rule(name: str) -> Rule:
    if name == "default":
        return Rule(name=name, flag=_is_degenerate, start=_gate)
    if name == "andrea":
        return _counting(name, _is_below(30.0), KOfN(k=5, n=5))
    if name == "all-four":
        return _counting(name, _is_all_four, KOfN(k=5, n=5))
    path = Path(name)
    if not path.is_file():
        raise InputError(
            "there is no such rule", found=name, expected=f"{', '.join(RULES)}, or the path of a rule file"
        )
    return _read_rule(path)


def _gate(context: Context) -> Watcher:
    return GateWatcher(Gate(random_chance=context.random_chance, unigram_loss=context.unigram_loss))


def _counting(name: str, flag: Flag, test: Test) -> Rule:
    return Rule(name=name, flag=flag, start=lambda _: Counter(flag, test))


def _is_degenerate(judged: Judged) -> bool | None:
    return judged.score.degenerate


def _is_all_four(judged: Judged) -> bool:
    return is_repetitive(judged.classic)


def _is_below(threshold: float) -> Flag:
    return lambda judged: judged.classic.total < threshold


class _RuleFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=40)]
    flag: Literal["degenerate", "total", "all-four"] = "degenerate"
    below: Annotated[float, Field(ge=0, le=100)] = 30.0
    test: Literal["k-of-n", "cusum"]
    k: int = 7
    n: int = 20
    p0: float = 0.05
    p1: float = 0.3
    bar: float = 8.0

    def rule(self) -> Rule:
        """Return the rule that the file describes; raise ValueError where its figures do not go together."""
        flags: dict[str, Flag] = {
            "degenerate": _is_degenerate,
            "total": _is_below(self.below),
            "all-four": _is_all_four,
        }
        is_kofn = self.test == "k-of-n"
        test = KOfN(k=self.k, n=self.n) if is_kofn else Cusum(p0=self.p0, p1=self.p1, bar=self.bar)
        return _counting(self.name, flags[self.flag], test)


def _read_rule(path: Path) -> Rule:
    try:
        return _RuleFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).rule()
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"this is no rule: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}",
            where=str(path),
            found=repr(first["input"])[:60],
            expected="name, flag (degenerate, total, all-four) and test (k-of-n, cusum) with their figures",
        ) from error
    except (OSError, ValueError) as error:
        message = f"this is no rule: {error}"
        raise InputError(message, where=str(path)) from error
