"""Results of a bundle: means, agreement and cards by hand, and whose grades count."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.audits.grading.conftest import Sealed, by_sort, grade_all
from twosignal.audits.grading.bundle import Secret
from twosignal.audits.grading.folder import Graded
from twosignal.audits.grading.grades import Grades
from twosignal.audits.grading.results import Results, results_of


def results(sealed: Sealed, *grades: Grades, steps: tuple[int, int] | None = None) -> Results:
    bundle, key = sealed
    return results_of(Graded(bundle=bundle, key=key, grades=grades), loss=2.0, random_chance=9.0, steps=steps)


def three(sealed: Sealed, score: Callable[[Secret], int]) -> list[Grades]:
    return [grade_all(sealed[1], score, grader=name) for name in ("Ada", "Ben", "Cleo")]


def test_three_who_agree(sealed: Sealed) -> None:
    found = results(sealed, *three(sealed, by_sort(8)))
    assert found.means == {"broken": 1.0, "sound": 9.0, "sample": 8.0}
    assert found.agreement.all_items == 1.0
    assert math.isnan(found.agreement.samples), "all samples have one grade: nothing to agree about"
    assert (found.interval, len(found.samples), found.population) == ((8.0, 8.0), 10, 20)
    assert found.reading.kind == "healthy"
    assert found.line == "healthy, 8.0 of 10 for 10 samples by 3 graders, alpha 1.00"


def test_fluent_and_poorly_graded_is_gaming(sealed: Sealed) -> None:
    assert results(sealed, *three(sealed, by_sort(3))).reading.kind == "metric gaming"


def test_degenerate_samples_that_readers_refuse_are_poor(sealed: Sealed) -> None:
    bundle, key = sealed
    looping = replace(key, items=tuple(replace(one, degenerate=True, coherence=12.0) for one in key.items))
    assert results((bundle, looping), *three(sealed, by_sort(2))).reading.kind == "poor"


def test_a_grader_who_does_not_read_is_named_and_left_out(sealed: Sealed) -> None:
    asleep = grade_all(sealed[1], lambda _: 5, grader="Dan")
    found = results(sealed, *three(sealed, by_sort(8)), asleep)
    card = found.graders[-1]
    assert (card.grader, card.attention, card.counts) == ("Dan", 0.5, False)
    assert found.means["sample"] == 8.0
    assert all("Dan" not in item.grades for item in found.items)


def test_a_judge_counts_only_where_no_person_does(sealed: Sealed) -> None:
    judge = grade_all(sealed[1], by_sort(2), grader="judge m", rater="judge")
    with_people = results(sealed, judge, *three(sealed, by_sort(8)))
    assert [card.counts for card in with_people.graders] == [False, True, True, True]
    assert with_people.means["sample"] == 8.0
    alone = results(sealed, judge)
    assert (alone.means["sample"], alone.reading.kind, alone.reading.leaning) == (
        2.0,
        "undecided",
        "metric gaming",
    )


def test_consistency_is_the_mean_distance_between_two_looks(sealed: Sealed) -> None:
    repeats = [one for one in sealed[1].items if one.repeats]
    worse = {one.item: 5 for one in repeats[:2]}

    def score(one: Secret) -> int:
        return worse.get(one.item, by_sort(8)(one))

    card = results(sealed, grade_all(sealed[1], score)).graders[0]
    assert card.consistency == pytest.approx(1.5), "two of four repeats lie 3 apart"
    assert (card.attention, card.num_grades, card.num_missing, card.mean) == (1.0, 22, 0, 8.0)


def test_items_left_out_are_counted_and_the_rest_still_compared(sealed: Sealed) -> None:
    full, short = three(sealed, lambda one: by_sort(8)(one) - (one.sort == "sample") * (one.step // 100 % 2))[
        :2
    ]
    short = replace(short, grades=short.grades[5:])
    found = results(sealed, full, short)
    assert (found.graders[1].num_missing, found.agreement.all_items) == (5, 1.0)


def test_grades_that_follow_coherence_or_loss_are_seen(sealed: Sealed) -> None:
    found = results(
        sealed,
        *three(sealed, lambda one: min(10, one.step // 200) if one.sort == "sample" else by_sort(1)(one)),
    )
    assert found.correlations["loss"] > 0.9, "loss rises with the step in these samples"
    assert abs(found.correlations["coherence"]) < 0.9


def test_a_window_keeps_its_samples_and_all_controls(sealed: Sealed) -> None:
    steps = sorted(one.step for one in sealed[1].items if one.sort == "sample" and not one.repeats)
    found = results(sealed, *three(sealed, by_sort(8)), steps=(steps[0], steps[3]))
    assert [one.step for one in found.samples] == steps[:4]
    assert len(found.items) == 4 + 8


def test_nobody_who_counts_gives_no_number(sealed: Sealed) -> None:
    found = results(sealed, grade_all(sealed[1], lambda _: 5))
    assert (found.items, dict(found.means), found.reading.kind) == ((), {}, "undecided")
    assert math.isnan(found.agreement.all_items)
    assert found.line == "undecided"


def test_faults_and_notes_are_gathered(sealed: Sealed) -> None:
    ada, ben, cleo = three(sealed, by_sort(4))
    item = next(one.item for one in sealed[1].items if one.sort == "sample" and not one.repeats)
    ada = replace(
        ada,
        grades=tuple(
            replace(one, faults=("untrue", "off topic"), note="No such town.") if one.item == item else one
            for one in ada.grades
        ),
    )
    found = results(sealed, ada, ben, cleo)
    assert found.faults == {"off topic": 1, "untrue": 1}
    assert next(one.notes for one in found.items if one.item == item) == ("No such town.",)


def test_the_json_says_what_was_seen_from_inside(sealed: Sealed) -> None:
    values = results(sealed, *three(sealed, by_sort(8))).as_dict()
    assert (values["reading"], values["leaning"]) == ("healthy", "healthy")
    signals = values["signals"]
    assert isinstance(signals, dict)
    assert (signals["loss"], signals["loss_is_fine"], signals["texts_are_fine"]) == (2.0, True, True)
