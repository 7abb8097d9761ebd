"""What cases ask of the classic bandit: takes counts, gives scores and pulls of the policy as it ships."""

from twosignal.curriculum.classic import Classic, score_of
from twosignal.curriculum.evidence import Evidence
from twosignal.curriculum.policy import Arm, StepSeen


def upper_confidence(*, mean: float, pulls: int, of: int) -> float:
    evidence = Evidence(pulls=pulls, total=mean * pulls)
    return score_of(evidence, pulls=of)


def counts(*, sources: int, steps: int) -> dict[str, float]:
    """Pull one source in every step, the one with the largest share; return how many arms there are, and all pulls."""
    names = [f"source-{number}" for number in range(sources)]
    policy = Classic([Arm(name=name, rows=100, documents=100) for name in names], seed=0)
    epochs = dict.fromkeys(names, 0.0)
    for step in range(1, steps + 1):
        shares = policy.shares()
        drawn = max(names, key=lambda name: shares[name])
        policy.see_step(StepSeen(step=step, rows={drawn: 1}, losses={drawn: 3.0}, epochs=epochs))
    arms = policy.arms()
    return {"arms": len(arms), "pulls": sum(arm["pulls"] for arm in arms.values())}
