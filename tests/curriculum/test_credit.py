"""Designed pairs and the regression on them: by hand, and against numpy's own least squares."""

import json
import math

import numpy as np
import pytest

from twosignal.curriculum import credit
from twosignal.curriculum.credit import Credit, signs


def test_over_a_round_no_two_sources_move_together() -> None:
    for count in (1, 2, 3, 5, 8):
        size = 1 << count.bit_length()
        rounds = np.array([signs(pair, count) for pair in range(size - 1)])
        # Without the row of all ones, columns of a Hadamard matrix have products of -1 with each other.
        assert rounds.T @ rounds == pytest.approx(size * np.eye(count) - 1)
        assert signs(0, count) == signs(size - 1, count)


def test_one_pair_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credit, "SPREAD", 1.0)
    seen = Credit(["a", "b"], {"t": 1.0})
    seen.learn({"a": 1.0, "b": -1.0}, {"t": 0.02})
    # In units of its noise the only outcome is 1. (I + xx')^-1 x with x = (1, -1, 1) is x / (1 + 3).
    assert seen.advantages({"a": 0.5, "b": 0.5})["a"][0] == pytest.approx(0.25)
    assert seen.advantages({"a": 0.5, "b": 0.5})["b"][0] == pytest.approx(-0.25)
    # (4 + 1 - 1/4 x 3) / (4 + 1) of noise, times d'(I - xx'/4)d with d = (1/2, -1/2, 0): 1/2 - 1/4.
    assert seen.advantages({"a": 0.5, "b": 0.5})["a"][1] == pytest.approx(math.sqrt(4.25 / 5 * 0.25))
    assert seen.contrast({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0})[0] == pytest.approx(0.5)


def test_credit_is_weighted_ridge_regression() -> None:
    drawn = np.random.default_rng(0)
    seen = Credit(["a", "b", "c"], {"t": 1.0})
    rows, outcomes, power, count = [], [], 0.0, 0.0
    for _ in range(30):
        shift = drawn.normal(size=3) * 0.1
        shift -= shift.mean()
        improved = float(shift @ [3.0, 0.0, -3.0] * 0.01 + drawn.normal() * 0.001)
        seen.learn(dict(zip("abc", shift.tolist(), strict=True)), {"t": improved})
        power, count = credit.FORGET * power + improved**2, credit.FORGET * count + 1
        rows.append([*shift, 1.0])
        outcomes.append(improved / math.sqrt(power / count))
    age = credit.FORGET ** (np.arange(30)[::-1] / 2)
    design = np.vstack([np.array(rows) * age[:, None], np.eye(4) / credit.SPREAD])
    told = np.concatenate([np.array(outcomes) * age, np.zeros(4)])
    fitted = np.linalg.lstsq(design, told, rcond=None)[0][:3]
    found = [value for value, _ in seen.advantages(dict.fromkeys("abc", 1 / 3)).values()]
    assert found == pytest.approx(fitted - fitted.mean(), rel=1e-6)


def test_the_useful_source_stands_out_and_noise_does_not() -> None:
    drawn = np.random.default_rng(1)
    seen, useless = (Credit(["a", "b", "c", "d"], {"t": 1.0}) for _ in range(2))
    for pair in range(40):
        shift = np.array(signs(pair, 4)) * 0.1
        shift -= shift.mean()
        moved = dict(zip("abcd", shift.tolist(), strict=True))
        seen.learn(moved, {"t": float(shift[0] * 0.1 + drawn.normal() * 0.01)})
        useless.learn(moved, {"t": float(drawn.normal() * 0.01)})
    even = dict.fromkeys("abcd", 0.25)
    score = {name: value / error for name, (value, error) in seen.advantages(even).items()}
    assert score["a"] > 2.5
    assert max(score, key=score.__getitem__) == "a"
    assert all(abs(value) < 2.5 * error for value, error in useless.advantages(even).values())


def test_a_loud_target_does_not_drown_a_quiet_one() -> None:
    seen = Credit(["a", "b"], {"loud": 0.5, "quiet": 0.5})
    for pair in range(20):
        turn = 1 if pair % 2 else -1
        seen.learn({"a": 0.2 * turn, "b": -0.2 * turn}, {"loud": 0.1 * turn, "quiet": -0.001 * turn})
    assert seen.advantages({"a": 0.5, "b": 0.5})["a"][0] == pytest.approx(0.0, abs=1e-9)


def test_old_evidence_fades() -> None:
    seen = Credit(["a", "b"], {"t": 1.0})
    for pair in range(200):
        turn = (1 if pair % 2 else -1) * 0.2
        seen.learn({"a": turn, "b": -turn}, {"t": turn if pair < 100 else -turn})
    assert seen.advantages({"a": 0.5, "b": 0.5})["a"][0] < -1


def test_the_trend_of_training_is_nobodys_credit() -> None:
    seen = Credit(["a", "b"], {"t": 1.0})
    for pair in range(40):
        turn = (1 if pair % 2 else -1) * 0.2
        seen.learn({"a": turn, "b": -turn}, {"t": 0.01})
    assert abs(seen.advantages({"a": 0.5, "b": 0.5})["a"][0]) < 0.3


def test_evidence_survives_as_plain_values() -> None:
    seen, again = (Credit(["a", "b"], {"t": 1.0}) for _ in range(2))
    for pair in range(5):
        seen.learn({"a": 0.1 * pair, "b": -0.1 * pair}, {"t": 0.01 / (pair + 1)})
    again.restore(json.loads(json.dumps(seen.state())))
    for one in (seen, again):
        one.learn({"a": 0.3, "b": -0.3}, {"t": 0.02})
    assert again.state() == seen.state()
    with pytest.raises(ValueError, match="evidence on 2 sources, the run has 3"):
        Credit(["a", "b", "c"], {"t": 1.0}).restore(seen.state())
