"""What to do about an audit: takes its verdict and findings, gives a sentence or two."""

from collections.abc import Mapping, Sequence

from twosignal.audits.finding import Finding, Verdict


def advice_of(verdict: Verdict, findings: Sequence[Finding]) -> str:
    """Return what to do; `findings` are gravest first."""
    if verdict.kind == "continue":
        warned = [one.remedy for one in findings if one.severity == "warning" and one.remedy]
        return f"Go on. Before you count on these samples: {_lower(warned[0])}" if warned else "Go on."
    told = [one.remedy for one in findings if one.id == verdict.rule and one.remedy]
    if told:
        return told[0]
    since = _first_step(verdict.evidence)
    if since is None:
        return "Read the newest samples and findings, and go back to the last checkpoint from before them."
    return (
        f"Go back to the newest checkpoint before step {since:,}, and change what changed there: "
        "lower the learning rate, or cap the source that came new."
    )


def _first_step(evidence: Mapping[str, object]) -> int | None:
    """Return the step from which the texts or the held-out loss went wrong, as a gate's evidence tells it."""
    samplings = evidence.get("samplings")
    first = samplings[0] if isinstance(samplings, list) and samplings else None
    told = (
        first.get("step") if isinstance(first, Mapping) else evidence.get("since", evidence.get("best_step"))
    )
    return told if isinstance(told, int) else None


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
