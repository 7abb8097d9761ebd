"""The second story's bandit: every number of its lessons, and its known fault."""

import math

import numpy as np
import pytest

from tests.curriculum.rig import arms, curriculum, take_step
from twosignal.curriculum.classic import (
    Classic,
    ClassicRules,
    coverage_bonus,
    epoch_penalty,
    floored,
    moved,
    reward_of,
    score_of,
)
from twosignal.curriculum.dice import WindowLaw, roll_window
from twosignal.curriculum.evidence import Evidence
from twosignal.curriculum.limits import Limits
from twosignal.curriculum.policy import Arm, StepSeen

SEVEN = ("hermes3-general", "hermes3-creative", "hermes3-roleplay", "chat", "smoltalk", "oasst", "gutenberg")


def one(name: str, loss: float, step: int = 1) -> StepSeen:
    return StepSeen(step=step, rows={name: 1}, losses={name: loss}, epochs={})


def test_exercise_11_reward_and_average() -> None:
    """EMA 4.521, loss 4.520, alpha 0.1: 0.9 x 4.521 = 4.0689, plus 0.4520, is 4.5209; the reward is 1.0."""
    assert reward_of(4.521, 4.520) == pytest.approx(1.0)
    assert moved(4.521, 4.520) == pytest.approx(4.0689 + 0.4520) == pytest.approx(4.5209)
    assert reward_of(4.520, 4.521) == 0.0, "no progress is no reward, and no penalty"


def test_only_the_pulled_sources_average_moves() -> None:
    policy = Classic(arms(a=10, b=10), seed=0)
    for name in ("a", "b"):
        policy.see_step(one(name, 4.521))
    policy.see_step(one("a", 4.520))
    figures = policy.arms()
    assert figures["a"]["average"] == pytest.approx(4.5209)
    assert figures["b"]["average"] == 4.521
    assert figures["a"]["reward"] == pytest.approx(0.5), (
        "1.0 over two pulls, the first of which set the average"
    )
    assert figures["b"]["reward"] == 0.0


@pytest.mark.parametrize(("coverage", "bonus"), [(0, 1.30), (0.25, 1.15), (0.5, 1.0), (0.7, 1.0), (1.0, 1.0)])
def test_exercise_12_coverage_bonus(coverage: float, bonus: float) -> None:
    assert coverage_bonus(coverage) == pytest.approx(bonus)


def test_exercise_12_the_table_of_the_lesson() -> None:
    assert coverage_bonus(154_000 / 512_000) == pytest.approx(1.1195, abs=5e-5)
    assert coverage_bonus(47_176 / 67_395) == 1.0


def test_exercise_13_epoch_penalty() -> None:
    assert 5_600 / 1_400 == 4
    assert epoch_penalty(5_600, 1_400) == pytest.approx(0.2)


def test_exercise_14_floors() -> None:
    assert floored(0.3, 0.8) == 0.8
    assert floored(0.9, 0.8) == 0.9


def test_floors_are_weights_normalized_afterwards() -> None:
    """The chatbot's floors sum to 3: a floor of 0.8 is no share of 80%."""
    floors = {"hermes3-general": 0.8, "chat": 0.8, "dictionary": 0.7, "gutenberg": 0.7, "synthetic-chat": 0.0}
    sources = [Arm(name=name, rows=10**6, documents=10**6, floor=floor) for name, floor in floors.items()]
    policy = Classic(sources, seed=0, rules=ClassicRules(focus=1))
    for name in floors:
        policy.see_step(one(name, 3.0))
    weights = {name: figures["weight"] for name, figures in policy.arms().items()}
    assert all(weights[name] >= floor for name, floor in floors.items())
    assert sum(policy.shares().values()) == pytest.approx(1)
    assert policy.shares()["chat"] == pytest.approx(weights["chat"] / sum(weights.values()))
    run = curriculum("classic", sources, Limits(floors="weight"))
    assert max(run.shares.values()) < 0.8


def test_exercise_15_a_late_source_is_not_drawn_in_the_warmup() -> None:
    """Step 18,400 lies before 20,000: neither dictionary nor repo-docs could have been drawn."""
    limits = Limits(warmup_steps=20_000, warmup_sources=SEVEN, floors="weight")
    sources = arms(**dict.fromkeys((*SEVEN, "dictionary", "repo-docs"), 10**6))
    run = curriculum("classic", sources, limits)
    run.step = 18_398
    for _ in range(100):
        drawn, _ = take_step(run, rows=8)
        assert set(drawn) <= set(SEVEN)
    run.step = 19_999
    take_step(run, rows=8)
    drawn_later: set[str] = set()
    for _ in range(200):
        drawn_later |= set(take_step(run, rows=8)[0])
    assert {"dictionary", "repo-docs"} <= drawn_later


def test_the_last_warmup_step_is_one_of_the_warmup() -> None:
    limits = Limits(warmup_steps=2_000, warmup_sources=("a",))
    assert [limits.is_warmup(step) for step in (1, 2_000, 2_001)] == [True, True, False]


def test_exercise_23_the_score_has_no_factor_two() -> None:
    """16 sources, 1,000 pulls; C sqrt(2), N 100,000, n 1,000 is 0.15, and C 100 is 10.7 (andrea.md 3.3)."""
    assert score_of(Evidence(pulls=1000, total=5000.0), pulls=100_000) == pytest.approx(5 + 0.1517, abs=1e-4)
    assert score_of(Evidence(pulls=1000), pulls=100_000, exploration=100) == pytest.approx(10.73, abs=0.01)
    textbook = math.sqrt(2 * math.log(1000) / 62)
    assert score_of(Evidence(pulls=62), pulls=1000, exploration=1.0) == pytest.approx(textbook / math.sqrt(2))
    assert score_of(Evidence(), pulls=1000) == math.inf


@pytest.mark.parametrize(
    ("law", "mean", "variance"),
    [
        ("seven-dice", 24.5, 7 * 35 / 12),
        ("seven-times-one", 24.5, 49 * 35 / 12),
        ("uniform", 24.5, (36**2 - 1) / 12),
    ],
)
def test_windows_have_7_to_42_steps(law: WindowLaw, mean: float, variance: float) -> None:
    rng, rolls = np.random.default_rng(1), 4000
    lengths = [roll_window(rng, law) for _ in range(rolls)]
    assert 7 <= min(lengths) <= max(lengths) <= 42
    assert np.mean(lengths) == pytest.approx(mean, abs=4 * math.sqrt(variance / rolls))
    assert np.var(lengths) == pytest.approx(variance, rel=0.15)
    if law == "seven-times-one":
        assert set(lengths) == {7, 14, 21, 28, 35, 42}


def test_shares_hold_for_a_window_and_change_with_a_reason() -> None:
    run = curriculum("classic", arms(a=10**6, b=10**6, c=10**6))
    rng, lengths, since = np.random.default_rng(0), [], 0
    for _ in range(400):
        before = run.shares
        drawn: dict[str, int] = {}
        for _ in range(8):
            name = run.choose()
            drawn[name] = drawn.get(name, 0) + 1
        losses = {name: float(rng.normal(3, 0.5)) for name in drawn}
        said = run.see_step(StepSeen(step=run.step + 1, rows=drawn, losses=losses, epochs={}))
        since += 1
        assert bool(said) or run.shares == before
        if said:
            assert (said[-1].kind, said[-1].reason.startswith("a window of")) == ("window", True)
            lengths.append(since)
            since = 0
    assert all(7 <= length <= 42 for length in lengths)
    assert len(lengths) > 8


def played(sigmas: dict[str, float], slopes: dict[str, float], pulls: int) -> Classic:
    """Pull every source at every step; its loss falls by its slope and has Gaussian noise of its sigma."""
    policy = Classic(arms(**dict.fromkeys(sigmas, 10**12)), seed=3, rules=ClassicRules(focus=len(sigmas)))
    rng = np.random.default_rng(3)
    for step in range(1, pulls + 1):
        losses = {
            name: 1000.0 - slopes[name] * step + float(rng.normal(0, sigma)) for name, sigma in sigmas.items()
        }
        policy.see_step(StepSeen(step=step, rows=dict.fromkeys(sigmas, 1), losses=losses, epochs={}))
    return policy


def test_the_reward_of_a_source_that_learns_nothing_is_409_sigma() -> None:
    """E max(0, EMA - loss) x 1000 = 1000 s / sqrt(2 pi), s^2 = sigma^2 (1 + alpha / (2 - alpha)): 409.3 x sigma.

    One reward's standard deviation is 584 s. A low loss pays now and lowers the average that pays later, so the mean of n
    rewards has half the standard error of n independent ones (0.50, measured over 400 runs): four of those.
    """
    pulls = 20_000
    for sigma in (0.1, 1.0):
        spread = sigma * math.sqrt(1 + 0.1 / 1.9)
        mean = played({"a": sigma}, {"a": 0.0}, pulls).arms()["a"]["reward"]
        expected = 1000 * spread / math.sqrt(2 * math.pi)
        assert expected == pytest.approx(409.3 * sigma, rel=1e-3)
        assert mean == pytest.approx(expected, abs=4 * 0.5 * 584 * spread / math.sqrt(pulls))


def test_the_known_fault_a_useless_noisy_source_outweighs_a_useful_quiet_one_four_to_one() -> None:
    """Noise of 1 nat and nothing learned earns 409; a hundredth of a nat learned at every pull, noise 0.1, earns 107."""
    policy = played({"noisy": 1.0, "useful": 0.1}, {"noisy": 0.0, "useful": 0.01}, 20_000)
    rewards = {name: figures["reward"] for name, figures in policy.arms().items()}
    assert rewards["useful"] == pytest.approx(107, abs=3)
    assert rewards["noisy"] / rewards["useful"] == pytest.approx(409 / 107, abs=0.2)
    shares = policy.shares()
    assert shares["noisy"] / shares["useful"] == pytest.approx(4, abs=0.5)
