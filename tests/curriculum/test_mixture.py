"""Shares and the order of sources, by hand."""

from collections import Counter

import pytest

from twosignal.config import Config
from twosignal.curriculum.mixture import Mixer, shares
from twosignal.errors import ConfigError


def config(policy: str, **sources: dict[str, float]) -> Config:
    return Config.model_validate(
        {
            "run": {"name": "x"},
            "model": {"preset": "tiny"},
            "curriculum": {"policy": policy},
            "sources": {name: {"path": "x", **table} for name, table in sources.items()},
        }
    )


def test_proportional_shares_follow_rows() -> None:
    assert shares(config("proportional", a={}, b={}), {"a": 30, "b": 10}) == {"a": 0.75, "b": 0.25}


def test_uniform_shares_are_equal() -> None:
    assert shares(config("uniform", a={}, b={}), {"a": 30, "b": 10}) == {"a": 0.5, "b": 0.5}


def test_fixed_shares_follow_weights() -> None:
    found = shares(config("fixed", a={"weight": 3}, b={"weight": 1}), {"a": 1, "b": 1})
    assert found == {"a": 0.75, "b": 0.25}


def test_a_floor_is_a_share_and_the_others_shrink_alike() -> None:
    found = shares(config("proportional", a={"floor": 0.4}, b={}, c={}), {"a": 10, "b": 60, "c": 30})
    assert found == pytest.approx({"a": 0.4, "b": 0.4, "c": 0.2})


def test_lifting_one_source_does_not_push_another_below_its_floor() -> None:
    found = shares(
        config("proportional", a={"floor": 0.5}, b={"floor": 0.3}, c={}), {"a": 1, "b": 32, "c": 67}
    )
    assert found == pytest.approx({"a": 0.5, "b": 0.3, "c": 0.2})


def test_floors_above_the_whole_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"floors .* exceed the whole \(found sum 1\.20; expected at most 1\)"
    ):
        shares(config("uniform", a={"floor": 0.6}, b={"floor": 0.6}), {"a": 1, "b": 1})


def test_fixed_without_weights_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a weight above 0"):
        shares(config("fixed", a={}, b={}), {"a": 1, "b": 1})


def test_every_source_has_had_its_share_to_within_one_row() -> None:
    mixer = Mixer({"a": 0.6, "b": 0.3, "c": 0.1})
    drawn: Counter[str] = Counter()
    for rows in range(1, 201):
        drawn[mixer.choose()] += 1
        assert all(abs(drawn[name] - share * rows) <= 1 for name, share in mixer.shares.items())
    assert drawn == {"a": 120, "b": 60, "c": 20}


def test_a_restored_mixer_goes_on_as_before() -> None:
    mixer = Mixer({"a": 0.7, "b": 0.3})
    for _ in range(5):
        mixer.choose()
    credit = dict(mixer.credit)
    expected = [mixer.choose() for _ in range(10)]
    fresh = Mixer({"a": 0.7, "b": 0.3})
    fresh.restore(credit)
    assert [fresh.choose() for _ in range(10)] == expected


def test_state_of_other_sources_is_refused() -> None:
    with pytest.raises(ValueError, match="mixer state is for"):
        Mixer({"a": 1.0}).restore({"zombie": 1.0})
