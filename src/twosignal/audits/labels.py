"""M1 on labels that another trainer made: takes counts of one step, gives `Finding`s on targets that should not be targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from twosignal.audits.finding import Finding
from twosignal.audits.monitors import alarm

SHARES_SEEN = 3
"""Steps from which the share of learned tokens is known well enough to be missed."""
USUAL = 0.8
"""Share of learned tokens above which learning from all of them is nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """What the labels of one step were."""

    step: int
    targets: int
    possible: int
    """Targets if every token were learned from; 0 where labels are no tokens to come."""
    strays: int = 0
    """Targets that are not the token they stand at."""
    crossings: int = 0
    """Targets at position 0 behind another token."""


def check_labels(counts: LabelCounts, *, only_answers: bool) -> tuple[Finding, ...]:
    """Return what is wrong with the labels of a step; `only_answers`: whether the host was asked to learn only those."""
    found = []
    step, targets = counts.step, counts.targets
    if only_answers and 0 < counts.possible <= targets:
        found.append(
            alarm(
                "mask-lost",
                step,
                message=f"wrong targets at step {step:,}: only answers are to be learned, and all {targets:,} tokens "
                "that can be targets are: the mask is lost",
                evidence={"targets": targets, "possible": counts.possible},
                remedy="Give the trainer conversations instead of token ids, or token ids with their mask or labels.",
            )
        )
    if counts.strays:
        found.append(
            alarm(
                "stray-targets",
                step,
                message=f"wrong targets at step {step:,}: {counts.strays:,} of {targets:,} labels are not the token they "
                "stand at, and the model shifts labels itself",
                evidence={"strays": counts.strays, "targets": targets},
                remedy="Labels must equal the token ids, or be -100; do not shift them beforehand.",
            )
        )
    if counts.crossings:
        found.append(
            alarm(
                "stray-targets",
                step,
                message=f"wrong targets at step {step:,}: {counts.crossings:,} of {targets:,} targets are the first token of "
                "a packed conversation, to be predicted from its neighbour",
                evidence={"crossings": counts.crossings, "targets": targets},
                remedy="Set the label of every token at position 0 to -100.",
            )
        )
    return tuple(found)


def check_share(counts: LabelCounts, earlier: Sequence[float]) -> tuple[Finding, ...]:
    """Return a warning when all tokens are learned at once, though only a share of them was at `earlier` steps."""
    if len(earlier) < SHARES_SEEN or not 0 < counts.possible <= counts.targets or median(earlier) > USUAL:
        return ()
    return (
        Finding(
            id="learned-share",
            severity="warning",
            message=f"at step {counts.step:,} all {counts.targets:,} tokens are learned from, and {median(earlier):.0%} of "
            "them were before",
            evidence={
                "monitor": "M1",
                "kind": "wrong-targets",
                "share": 1.0,
                "before": round(median(earlier), 4),
            },
            steps=(counts.step,),
            remedy="See whether these rows are meant to be learned whole, or have lost their mask.",
        ),
    )
