"""Count models and the mixture of their predictions, against numbers worked by hand and texts made for the purpose."""

import math

import numpy as np
import pytest

from twosignal.curriculum import prior
from twosignal.curriculum.prior import (
    Asked,
    CountModel,
    Prior,
    Text,
    best_mixture,
    find_prior,
    in_pieces,
    sample_tokens,
)


def text(*ids: int, learned: list[bool] | None = None) -> Text:
    return Text(ids=np.array(ids, dtype=np.int64), learned=np.array(learned or [True] * len(ids)))


def chain(seed: int, length: int, *, shift: int) -> Text:
    """Return a text over 16 tokens in which each is mostly followed by itself plus the shift."""
    drawn = np.random.default_rng(seed)
    ids = [0]
    for _ in range(length - 1):
        ids.append(int(drawn.integers(16)) if drawn.random() < 0.3 else (ids[-1] + shift) % 16)
    return text(*ids)


def noise(seed: int, length: int) -> Text:
    return text(*np.random.default_rng(seed).integers(16, size=length).tolist())


def test_probabilities_without_context_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior, "ORDERS", 0)
    model = CountModel(text(1, 1, 1, 2), vocabulary=4)
    # Counts 3 and 1 of 4, 0.75 off each of two kinds, and 2 x 0.75 / 4 spread over four tokens: 0.375 / 4 = 0.09375.
    assert model.probabilities(Asked(text(1, 2, 3))) == pytest.approx(
        [2.25 / 4 + 0.09375, 0.25 / 4 + 0.09375, 0.09375]
    )


def test_probabilities_after_one_token_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior, "ORDERS", 1)
    model = CountModel(text(1, 2, 1, 2, 1, 3), vocabulary=4)
    # Alone: 2 has 2 of 6 and three kinds: 1.25/6 + 3 x 0.75/6/4. After 1: 2 twice, 3 once, two kinds of three.
    alone = 1.25 / 6 + 3 * 0.75 / 6 / 4
    assert model.probabilities(Asked(text(1, 2)))[1] == pytest.approx((2 - 0.75) / 3 + 2 * 0.75 / 3 * alone)


def test_the_chances_of_all_tokens_sum_to_one() -> None:
    model = CountModel(chain(0, 500, shift=1), vocabulary=16)
    for before in ((3, 4, 5), (5, 5, 5), (0, 9, 1)):
        whole = sum(model.probabilities(Asked(text(*before, token)))[-1] for token in range(16))
        assert whole == pytest.approx(1.0)


def test_two_orders_of_the_same_tokens_are_not_confused() -> None:
    model = CountModel(text(*([1, 2, 3] * 50)), vocabulary=8)
    assert model.probabilities(Asked(text(1, 2)))[1] > 0.9
    assert model.probabilities(Asked(text(2, 1)))[1] < 0.3


def test_what_is_not_learned_is_context_and_no_evidence() -> None:
    learned = [False, True] * 50
    model = CountModel(text(*([1, 2] * 50), learned=learned), vocabulary=4)
    after_one, after_two = model.probabilities(Asked(text(1, 2, 1, learned=[False, True, True])))
    assert after_one > 0.9
    assert after_two < 0.3


def test_the_best_mixture_by_hand() -> None:
    # Half of the places only the first model knows, half only the second, the third nowhere more than half as well.
    chances = np.array([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])
    assert best_mixture(chances) == pytest.approx([0.5, 0.5, 0.0], abs=1e-3)
    # -(1/4) ln(a) - (3/4) ln(1 - a) is least at a = 1/4.
    chances = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0]])
    assert best_mixture(chances) == pytest.approx([0.25, 0.75], abs=1e-3)


def test_pieces_are_judged_whole() -> None:
    losses = np.array([[1.0] * 16, [1.0] * 8 + [2.0] * 8])
    assert in_pieces(losses) == pytest.approx(np.array([[1.0, 1.0], [1.0, math.exp(-8)]]))


def test_a_prior_finds_the_sources_of_its_targets_and_leaves_out_noise() -> None:
    sources = {
        "up": chain(1, 4000, shift=1),
        "down": chain(2, 4000, shift=-1),
        "noise": noise(3, 4000),
        "repetition": text(*([5] * 4000)),
    }
    targets = {"up": chain(4, 1000, shift=1), "down": chain(5, 1000, shift=-1)}
    found = find_prior(sources, targets, weights={"up": 1.0, "down": 1.0}, vocabulary=16)
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.shares["up"] == pytest.approx(0.5, abs=0.05)
    assert found.shares["down"] == pytest.approx(0.5, abs=0.05)
    assert found.shares["noise"] < 0.03
    assert found.shares["repetition"] < 0.01
    assert found.losses["up"]["up"] < found.losses["up"]["down"]


def test_targets_count_by_their_weights() -> None:
    sources = {"up": chain(1, 4000, shift=1), "down": chain(2, 4000, shift=-1)}
    targets = {"up": chain(4, 1000, shift=1), "down": chain(5, 1000, shift=-1)}
    found = find_prior(sources, targets, weights={"up": 3.0, "down": 1.0}, vocabulary=16)
    assert found.shares["up"] == pytest.approx(0.75, abs=0.05)


def test_sources_alike_are_treated_alike() -> None:
    sources = {name: chain(seed, 4000, shift=1) for seed, name in enumerate("abc")}
    found = find_prior(sources, {"t": chain(9, 1000, shift=1)}, weights={"t": 1.0}, vocabulary=16)
    assert min(found.shares.values()) > 0.1


def test_without_anything_learned_there_is_no_opinion() -> None:
    silent = text(1, 2, 3, learned=[False] * 3)
    even = {"a": 0.5, "b": 0.5}
    sources = {"a": text(1, 2), "b": text(2, 1)}
    assert find_prior(sources, {"t": silent}, weights={"t": 1.0}, vocabulary=4).shares == even
    assert (
        find_prior(dict.fromkeys("ab", silent), {"t": text(1)}, weights={"t": 1.0}, vocabulary=4).shares
        == even
    )
    mute = find_prior(sources | {"b": silent}, {"t": text(1, 2)}, weights={"t": 1.0}, vocabulary=4)
    assert mute.shares == {"a": 1.0, "b": 0.0}


def test_the_reason_names_sources_and_shares() -> None:
    found = Prior(shares={"a": 0.25, "b": 0.75}, losses={"t": {"a": 2.0, "b": 1.5}})
    assert "t best by b (1.50 nats)" in found.reason()
    assert "b 75.0%, a 25.0%" in found.reason()


def test_the_sample_follows_the_run_within_bounds() -> None:
    assert sample_tokens(1000, 8) == prior.LEAST_SAMPLE
    assert sample_tokens(3_200_000, 8) == 100_000
    assert sample_tokens(10**12, 8) == prior.MOST_SAMPLE
