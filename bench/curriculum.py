"""Which policy of the curriculum learns the target best: takes policies, source sets and seeds, gives held-out losses and costs.

    python bench/curriculum.py [--data FOLDER] [--sets junk,...] [--policies uniform,...] [--seeds 5] [--out runs.jsonl]
    python bench/curriculum.py --search 1 [--data FOLDER] [--sets junk,...]        # the oracle mixes, see MIXES
    python bench/curriculum.py --table runs.jsonl                                  # the table of runs made before

A byte-level network of 0.12M parameters (2 layers of width 64, a convolution over 4 bytes before each, context 128, batches
of 8 rows, Muon) is trained on the same number of rows under each policy; every row is drawn by the project's `Curriculum`.
Text is held out by documents: half of what is held out is what policies may ask for, the other half what they are judged by.
`--data` is a folder with sgd_train.jsonl, tinyshakespeare.txt and books/; without it the sets are made of built-in sources.
The oracle is the best of a few fixed mixes, chosen on seeds that are not among those judged; `--search` goes on from there,
source by source: twice or half its share, and what is better is kept.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from toy.network import Trainer
from toy.world import CONTEXT, SETS, Rows, World

from twosignal.curriculum.bandit import Bandit
from twosignal.curriculum.bandit_plan import Plan, window_for
from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.limits import Limits
from twosignal.curriculum.policies import make_policy
from twosignal.curriculum.policy import Policy, ProbeSeen, Shares, StepSeen
from twosignal.curriculum.prior import Prior, Text, find_prior, sample_tokens
from twosignal.curriculum.still import Still, normal
from twosignal.curriculum.trial import trial_for

BATCH = 8
"""Rows of a step."""
PROBE_ROWS = 2
"""Of each target, for the policy."""
PRIOR_ROWS = 60
"""Of each target, for the prior."""
T95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""Student's t for a two-sided interval of 95 %, by the number of pairs."""
POLICIES = ("uniform", "proportional", "classic", "odm", "aioli", "bandit", "oracle")
MIXES = ("targets", "all", "counts", "counts, squared", "counts, to the fourth", "counts, rooted")
"""Fixed mixes that the oracle is chosen from: the targets' own sources alike, all sources alike, and the mixture of the count
models as it is, squared, to the fourth power and rooted."""

SEARCHED = 0.01
"""Least share of a source that the search for the oracle changes."""


@dataclass(slots=True, kw_only=True)
class Clock:
    """CPU seconds of the training, and of everything that the policy adds."""

    training: float = 0.0
    policy: float = 0.0


def text_of(rows: Rows) -> Text:
    return Text(ids=rows.reshape(-1), learned=np.ones(rows.size, dtype=bool))


def prior_of(world: World, steps: int) -> Prior:
    """Return what count models say of the sources."""
    count = sample_tokens(steps * BATCH * CONTEXT, len(world.arms)) // CONTEXT
    sources = {}
    for name, rows in world.train.items():
        places = np.linspace(0, len(rows) - 1, min(len(rows), count)).astype(int)
        sources[name] = text_of(rows[places])
    targets = {name: text_of(rows[:PRIOR_ROWS]) for name, rows in world.seen.items()}
    return find_prior(sources, targets, weights=dict.fromkeys(world.targets, 1.0), vocabulary=256)


def policy_of(name: str, world: World, *, steps: int, seed: int) -> Policy:
    """Return a policy by its name, a mix by what `told` calls it; "misled" is the bandit with a prior that loves the worst."""
    if name in MIXES or ":" in name:
        return Still("fixed", fixed_mix(name, world, steps))
    if name not in ("bandit", "prior", "misled"):
        return make_policy(name, world.arms, seed=seed)
    prior = prior_of(world, steps)
    if name == "misled":
        worst = {arm.name: 1 / (0.02 + prior.shares[arm.name]) for arm in world.arms}
        prior = Prior(shares={one: share / sum(worst.values()) for one, share in worst.items()}, losses={})
    if name == "prior":
        return Still("fixed", prior.shares)
    window = window_for(PROBE_ROWS * len(world.targets), BATCH)
    targets, trial = dict.fromkeys(world.targets, 1.0), trial_for(steps, window)
    plan = Plan(targets=targets, window=window, trial=trial, rows=steps * BATCH)
    return Bandit(world.arms, prior=prior, plan=plan)


def told(mix: Shares) -> str:
    """Return a fixed mix as a name that `policy_of` understands."""
    return " ".join(f"{name}:{share:.4f}" for name, share in mix.items())


def fixed_mix(name: str, world: World, steps: int) -> Shares:
    if ":" in name:
        given = dict(part.rsplit(":", 1) for part in name.split())
        return {arm.name: float(given.get(arm.name, 0)) for arm in world.arms}
    if name == "targets":
        own = {
            arm.name: float(any(arm.name.endswith(target) for target in world.targets)) for arm in world.arms
        }
        return own if any(own.values()) else dict.fromkeys(own, 1.0)
    if name == "all":
        return dict.fromkeys((arm.name for arm in world.arms), 1.0)
    power = {"counts": 0.5, "counts, squared": 1.0, "counts, to the fourth": 2.0, "counts, rooted": 0.25}[
        name
    ]
    return {one: share**power for one, share in prior_of(world, steps).shares.items()}


def run(world: World, name: str, *, steps: int, seed: int) -> dict[str, Any]:
    """Train once under a policy; return the losses of what is judged, where the rows went, and what it cost."""
    clock, began = Clock(), time.process_time()
    policy = policy_of(name, world, steps=steps, seed=seed)
    curriculum = Curriculum(world.arms, policy, limits=Limits(planned_rows=steps * BATCH))
    clock.policy += time.process_time() - began
    trainer, draw = Trainer(steps, seed), np.random.default_rng(seed)
    seen = {
        target: rows[PRIOR_ROWS:][draw.permutation(len(rows) - PRIOR_ROWS)[:PROBE_ROWS]]
        for target, rows in world.seen.items()
    }
    order: dict[str, list[int]] = {arm.name: [] for arm in world.arms}
    drawn, late = dict.fromkeys(order, 0), dict.fromkeys(order, 0)
    for step in range(1, steps + 1):
        began = time.process_time()
        sources = [curriculum.choose() for _ in range(BATCH)]
        clock.policy += time.process_time() - began
        rows = []
        for source in sources:
            order[source] = order[source] or draw.permutation(len(world.train[source])).tolist()
            rows.append(world.train[source][order[source].pop()])
            drawn[source] += 1
            late[source] += step > steps / 2
        began = time.process_time()
        losses = trainer.step(np.stack(rows))
        clock.training += time.process_time() - began
        began = time.process_time()
        curriculum.see_step(shown(step, sources, losses, drawn=drawn, world=world))
        if curriculum.probe_due(step):
            curriculum.see_probe(ProbeSeen(step=step, losses=trainer.measure(seen)))
        clock.policy += time.process_time() - began
    return {
        "losses": trainer.measure(world.judged),
        "drawn": drawn,
        "late": late,
        "epochs": {arm.name: drawn[arm.name] / arm.rows for arm in world.arms},
        "extra": clock.policy / clock.training,
        "seconds": clock.training,
    }


def shown(
    step: int, sources: list[str], losses: list[float], *, drawn: Mapping[str, int], world: World
) -> StepSeen:
    """Return what a step shows a policy."""
    rows = {source: sources.count(source) for source in sources}
    means = {
        source: statistics.mean(loss for one, loss in zip(sources, losses, strict=True) if one == source)
        for source in rows
    }
    epochs = {arm.name: drawn[arm.name] / arm.rows for arm in world.arms}
    return StepSeen(step=step, rows=rows, losses=means, epochs=epochs)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument(
        "--policies",
        default=",".join(POLICIES),
        help='"misled" is the bandit with a prior that loves the worst',
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument(
        "--search", type=int, default=0, metavar="SEEDS", help="find the oracle on so many other seeds"
    )
    parser.add_argument(
        "--oracle", action="append", default=[], metavar="SET=MIX", help="what --search found"
    )
    parser.add_argument("--out", type=Path, help="a file that every run adds a line to")
    parser.add_argument("--table", type=Path, help="only the table of a file that --out made")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.table:
        report([json.loads(line) for line in options.table.read_text(encoding="utf-8").splitlines()])
        return 0
    oracle = dict(given.split("=", 1) for given in options.oracle)
    done = []
    for name in options.sets.split(","):
        world = World(name, options.data)
        best = oracle.get(name) or searched(world, name, options)
        for seed in range(options.seeds if not options.search else 0):
            for policy in options.policies.split(","):
                made = best if policy == "oracle" else policy
                found = {
                    "set": name,
                    "policy": policy,
                    "seed": seed,
                    **run(world, made, steps=options.steps, seed=seed),
                }
                done.append(
                    found
                    | {"junk": share_of_junk(found["late"]), "mix": best if policy == "oracle" else None}
                )
                note(done[-1], options.out)
    if done:
        report(done)
    return 0


def searched(world: World, name: str, options: argparse.Namespace) -> str:
    """Return the fixed mix with the least loss over other seeds than those judged; say what each reached."""
    if not options.search and "oracle" not in options.policies:
        return ""
    means = {}
    for mix in MIXES:
        found = [
            run(world, mix, steps=options.steps, seed=1000 + seed) for seed in range(options.search or 1)
        ]
        means[mix] = statistics.mean(target_loss(one) for one in found)
        print(f"{name}: {mix}: {means[mix]:.4f}", flush=True)
    best = min(means, key=means.__getitem__)
    if options.search:
        best = climbed(world, best, means[best], steps=options.steps)
        print(f'--oracle "{name}={best}"', flush=True)
    return best


def climbed(world: World, best: str, least: float, *, steps: int) -> str:
    """Return the mix that one pass over the sources of a mix leads to, twice or half the share of each, largest first."""
    mix = normal(fixed_mix(best, world, steps))
    for name in sorted(mix, key=lambda one: -mix[one]):
        for factor in (2.0, 0.5) if mix[name] > SEARCHED else ():
            changed = normal(mix | {name: mix[name] * factor})
            loss = target_loss(run(world, told(changed), steps=steps, seed=1000))
            print(f"  {name} x {factor:g}: {loss:.4f}, {told(changed)}", flush=True)
            if loss < least:
                mix, least, best = changed, loss, told(changed)
                break
    return best


def note(found: dict[str, Any], out: Path | None) -> None:
    print(
        f"{found['set']:10} {found['policy']:13} seed {found['seed']}: {target_loss(found):.4f}", flush=True
    )
    if out:
        with out.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(found) + "\n")


def target_loss(found: Mapping[str, Any]) -> float:
    return float(statistics.mean(found["losses"].values()))


def share_of_junk(rows: Mapping[str, int]) -> float:
    """Return the share of rows from sources made to be worthless or to be learned by heart."""
    worthless = ("listing", "repetition", "noise", "scrap")
    return sum(rows.get(name, 0) for name in worthless) / sum(rows.values())


def report(done: list[dict[str, Any]]) -> None:
    """Print one line per set and policy, differences paired by seed."""
    print(
        "\n| set | policy | target loss (sd) | minus uniform (95%) | of the gap | junk, last half | most epochs | extra |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in dict.fromkeys(one["set"] for one in done):
        runs = [one for one in done if one["set"] == name]
        for policy in dict.fromkeys(one["policy"] for one in runs):
            print(line(name, policy, runs))


def line(name: str, policy: str, runs: list[dict[str, Any]]) -> str:
    losses: dict[str, dict[int, float]] = {}
    for one in runs:
        losses.setdefault(one["policy"], {})[one["seed"]] = target_loss(one)
    own, mine = losses[policy], [one for one in runs if one["policy"] == policy]
    gains = [own[seed] - loss for seed, loss in losses.get("uniform", {}).items() if seed in own]
    gap = [
        losses["oracle"][seed] - loss
        for seed, loss in losses.get("uniform", {}).items()
        if seed in losses.get("oracle", {})
    ]
    whole = statistics.mean(gap) if gap else 0.0
    recovered = f"{statistics.mean(gains) / whole:.0%}" if gains and whole < -0.02 else ""
    shown_as = f"{policy} ({mine[0]['mix']})" if mine[0].get("mix") else policy
    cells = (
        name,
        shown_as,
        f"{statistics.mean(own.values()):.3f} ({spread(list(own.values())):.3f})",
        f"{statistics.mean(gains):+.3f} +- {T95.get(len(gains), 1.96) * spread(gains) / math.sqrt(len(gains)):.3f}"
        if gains
        else "",
        recovered,
        f"{statistics.mean(one['junk'] for one in mine):.1%}",
        f"{max(max(one['epochs'].values()) for one in mine):.1f}",
        f"{statistics.mean(one['extra'] for one in mine):.1%}",
    )
    return "| " + " | ".join(cells) + " |"


def spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    raise SystemExit(main())
