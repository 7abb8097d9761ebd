"""The order of sources, by hand."""

from collections import Counter

import pytest

from twosignal.curriculum.mixture import Mixer


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


def test_turned_shares_are_followed_from_the_next_row_on() -> None:
    mixer = Mixer({"a": 0.5, "b": 0.5})
    for _ in range(7):
        mixer.choose()
    mixer.turn({"a": 0.1, "b": 0.9})
    drawn = Counter(mixer.choose() for _ in range(100))
    assert drawn["a"] == pytest.approx(10, abs=1)


def test_a_source_without_a_share_is_not_drawn_whatever_it_was_owed() -> None:
    mixer = Mixer({"a": 0.6, "b": 0.4})
    mixer.choose()
    assert mixer.credit["b"] > 0
    mixer.turn({"a": 1.0, "b": 0.0})
    assert {mixer.choose() for _ in range(20)} == {"a"}
    mixer.turn({"a": 0.5, "b": 0.5})
    assert Counter(mixer.choose() for _ in range(20)) == {"a": 10, "b": 10}
