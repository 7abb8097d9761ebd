"""Arms and curricula for tests."""

from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.limits import Limits
from twosignal.curriculum.policies import make_policy
from twosignal.curriculum.policy import Arm, Choice, StepSeen
from twosignal.curriculum.saved import Origin

ORIGIN = Origin(run="run-a", config="0123abcd")


def arms(**rows: int) -> list[Arm]:
    return [Arm(name=name, rows=count, documents=count) for name, count in rows.items()]


def curriculum(policy: str, given: list[Arm], limits: Limits | None = None) -> Curriculum:
    return Curriculum(given, make_policy(policy, given, seed=0), limits=limits, origin=ORIGIN)


def take_step(run: Curriculum, *, rows: int, loss: float = 3.0) -> tuple[dict[str, int], list[Choice]]:
    """Draw the rows of the next step, then show it; return the rows by source and the choices."""
    drawn: dict[str, int] = {}
    for _ in range(rows):
        name = run.choose()
        drawn[name] = drawn.get(name, 0) + 1
    seen = StepSeen(
        step=run.step + 1,
        rows=drawn,
        losses=dict.fromkeys(drawn, loss),
        epochs={name: run.served.epochs(name) for name in run.arms},
    )
    return drawn, run.see_step(seen)
