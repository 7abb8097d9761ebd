"""The curriculum before the first step: takes the run file, the sources and the targets, gives a `Curriculum`."""

from collections.abc import Mapping, Sequence, Sized

from twosignal.config import Config
from twosignal.curriculum.bandit import Bandit
from twosignal.curriculum.bandit_plan import Plan, window_for
from twosignal.curriculum.classic import Classic, ClassicRules
from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.limits import EPOCH_CAP, PAYING_EPOCHS, Limits
from twosignal.curriculum.policies import floors_of, make_policy
from twosignal.curriculum.policy import Arm, Policy, Shares
from twosignal.curriculum.prior import Prior
from twosignal.curriculum.still import proportional
from twosignal.curriculum.trial import trial_for
from twosignal.packs.prepare import PreparedSource
from twosignal.train.steering.target import Target

STILL = ("proportional", "uniform", "fixed")
"""Policies that never change their mind."""
NEVER = float("inf")


def make_curriculum(
    config: Config,
    sources: Mapping[str, PreparedSource],
    *,
    targets: Sequence[Target],
    prior: Prior | None,
    steps: int,
) -> Curriculum:
    """Return the curriculum that the run file asks for, over a run of `steps`; the bandit begins at `prior`.

    Raises ConfigError when its limits cannot all be kept.
    """
    arms = arms_of(config, sources)
    rows = steps * config.rows.per_step
    policy = _policy(config, arms, targets=targets, prior=prior, rows=rows)
    return Curriculum(arms, policy, limits=limits_of(config, policy, planned_rows=rows))


def base_shares(config: Config, sources: Mapping[str, PreparedSource]) -> Shares:
    """Return shares that never move: those of a policy that never changes its mind, else by rows."""
    arms, name = arms_of(config, sources), config.curriculum.policy
    policy = make_policy(name, arms, seed=0) if name in STILL else proportional(arms)
    return policy.shares()


def arms_of(config: Config, sources: Mapping[str, PreparedSource]) -> list[Arm]:
    """Return every source as a policy sees it."""
    return [
        Arm(
            name=name,
            # One without rows is refused by the proof, which says what became of its records.
            rows=max(1, source.ledger.rows),
            documents=max(1, source.ledger.conversations + source.ledger.documents),
            floor=config.sources[name].floor,
            cap=config.sources[name].cap,
            weight=config.sources[name].weight,
            is_chat=source.ledger.conversations > 0,
        )
        for name, source in sources.items()
    ]


def limits_of(config: Config, policy: Policy, *, planned_rows: int) -> Limits:
    """Return the bounds of the run file, with the defaults that its policy has."""
    table, is_bandit = config.curriculum, policy.name == "bandit"
    most = table.max_epochs
    return Limits(
        warmup_steps=table.warmup,
        warmup_sources=tuple(table.warmup_sources),
        epoch_cap=(EPOCH_CAP if is_bandit else None) if most is None else most or None,
        paying_epochs=PAYING_EPOCHS if is_bandit else NEVER,
        planned_rows=planned_rows,
        pull="step" if policy.name == "classic" else "row",
        floors=floors_of(policy.name),
    )


def has_bandit(config: Config, sources: Sized, targets: Sequence[Target]) -> bool:
    """Return whether the bandit has something to choose, and something to learn from."""
    return config.curriculum.policy == "bandit" and len(sources) > 1 and bool(targets)


def _policy(
    config: Config, arms: Sequence[Arm], *, targets: Sequence[Target], prior: Prior | None, rows: int
) -> Policy:
    """Return the policy; the bandit gives way to the proportional mix where it has nothing to choose or to learn from."""
    table, seed = config.curriculum, config.run.seed
    if table.policy == "classic":
        law = table.classic
        rules = ClassicRules(window=law.window, focus=law.focus, exploration=law.exploration)
        return Classic(arms, seed=seed, rules=rules)
    if table.policy != "bandit":
        return make_policy(table.policy, arms, seed=seed)
    if not has_bandit(config, arms, targets):
        return proportional(arms)
    probed = sum(len(target.policy_rows) for target in targets)
    window = window_for(probed, config.rows.per_step, budget=table.probe_cost)
    plan = Plan(
        targets={target.name: target.weight for target in targets},
        window=window,
        trial=trial_for(rows // config.rows.per_step, window),
        rows=rows,
    )
    return Bandit(arms, prior=prior, plan=plan)
