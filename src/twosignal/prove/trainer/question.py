"""The questions that are put to a foreign trainer: takes an answer, gives the `Check` that says so."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from twosignal.prove.canary import CANARY_NAME
from twosignal.prove.receipt import Check, Kind


class Question(NamedTuple):
    """One check by its id and name."""

    id: str
    name: str

    def passed(self, message: str, evidence: Mapping[str, Any]) -> Check:
        """Return the check, passed."""
        return Check(id=self.id, name=self.name, passed=True, message=message, evidence=dict(evidence))

    def failed(self, message: str, *, kind: Kind | None, evidence: Mapping[str, Any], remedy: str) -> Check:
        """Return the check, failed."""
        return Check(
            id=self.id,
            name=self.name,
            passed=False,
            kind=kind,
            message=message,
            evidence=dict(evidence),
            remedy=remedy,
        )

    def not_asked(self, reason: str) -> Check:
        """Return the check as not applicable."""
        return Check(id=self.id, name=self.name, passed=None, message=reason)


CANARIES = Question("S1", CANARY_NAME)
TARGETS = Question("S2", "learned tokens are the answers, each to its end")
PROMPTS = Question("S3", "prompts in training are those of inference")
LOSSES = Question("S4", "targets lost on the way are few, and counted")
ORDER = Question("S5", "every conversation is there once, whole")
CENSUS = Question("S6", "every row has targets")
CACHES = Question("S7", "caches belong to this data and template")
ENDS = Question("S8", "the end of every learned turn is learned and stops the model")
COLUMNS = Question("S9", "mask columns are the ones the trainer reads")
NEIGHBOURS = Question("P1", "packed neighbours cannot see each other")
TOKENS_ALONE = Question("P2", "every token scores the same packed and alone")
SUM_ALONE = Question("P3", "packed loss equals unpacked loss")
STEP = Question("P4", "a step's loss is divided once, by all of its targets")
MASK = Question("P5", "the loss is taken over the learned tokens and nothing else")
FUTURE = Question("P6", "no token sees the future")
ALL = (
    *(CANARIES, TARGETS, PROMPTS, LOSSES, ORDER, CENSUS, CACHES, ENDS, COLUMNS),
    *(NEIGHBOURS, TOKENS_ALONE, SUM_ALONE, STEP, MASK, FUTURE),
)
