"""Learning told apart from composition, with numbers worked out by hand."""

import numpy as np
import pytest

from twosignal.audits.mix import SourceSum, mix_adjusted, mix_findings, split_change, split_line, window_split


def window(**sums: tuple[float, int]) -> dict[str, SourceSum]:
    return {name: SourceSum(total=total, targets=targets) for name, (total, targets) in sums.items()}


def test_a_change_of_mix_alone_is_composition() -> None:
    """Books 4.0, lists 1.0 in both; a quarter lists, then three: 3.25 becomes 1.75."""
    split = split_change(window(books=(300, 75), lists=(25, 25)), window(books=(100, 25), lists=(75, 75)))
    assert split is not None
    assert (split.before, split.after) == (3.25, 1.75)
    assert (split.learning, split.composition) == pytest.approx((0.0, -1.5))


def test_a_change_of_losses_alone_is_learning() -> None:
    """Half each: books 4 to 3, lists 2 to 1.5; -0.5 - 0.25."""
    split = split_change(window(books=(40, 10), lists=(20, 10)), window(books=(30, 10), lists=(15, 10)))
    assert split is not None
    assert (split.learning, split.composition) == pytest.approx((-0.75, 0.0))


def test_both_at_once_add_up() -> None:
    """Books 4 to 5, lists 1 to 1; mix 3/4, 1/4 to 1/4, 3/4.

    Learning: mean mix of books 1/2 times +1 = +0.5. Composition: 4.5 (1/4 - 3/4) + 1 (3/4 - 1/4) = -1.75.
    The loss falls from 3.25 to 2.0 while the model gets worse.
    """
    split = split_change(window(books=(300, 75), lists=(25, 25)), window(books=(125, 25), lists=(75, 75)))
    assert split is not None
    assert (split.learning, split.composition) == pytest.approx((0.5, -1.75))
    assert split.change == pytest.approx(-1.25)
    assert split.learning + split.composition == pytest.approx(split.change)
    (finding,) = mix_findings(split, steps=(1, 200))
    assert finding.id == "mix-not-learning"
    assert (
        "fell by 1.250 nats within steps 1 to 200, and 1.750 of it is the change of the mix"
        in finding.message
    )
    assert "at a fixed mix it went by +0.500" in finding.message
    assert split_line(split) == (
        "training loss 3.250 in the first half, 2.000 in the second (-1.250): learning +0.500, change of mix -1.750"
    )


def test_a_source_that_comes_new_is_composition() -> None:
    """Books stay at 4; lists come in at 1 with half of the targets: 4 becomes 2.5."""
    split = split_change(window(books=(40, 10)), window(books=(40, 10), lists=(10, 10)))
    assert split is not None
    assert (split.learning, split.composition) == pytest.approx((0.0, -1.5))


def test_learning_is_no_finding_and_neither_is_a_loss_that_rises() -> None:
    learned = split_change(window(a=(40, 10), b=(20, 10)), window(a=(30, 10), b=(15, 10)))
    risen = split_change(window(a=(75, 75), b=(75, 25)), window(a=(25, 25), b=(225, 75)))
    assert learned is not None
    assert risen is not None
    assert mix_findings(learned, steps=(1, 2)) == mix_findings(risen, steps=(1, 2)) == ()
    assert mix_findings(None, steps=(1, 2)) == ()


def test_without_targets_there_is_no_split() -> None:
    assert split_change({}, window(a=(1, 1))) is None
    assert split_change(window(a=(0, 0)), window(a=(1, 1))) is None


def test_losses_are_mixed_by_fixed_weights_over_what_was_measured() -> None:
    assert mix_adjusted({"a": 1.0, "b": 3.0}, {"a": 0.25, "b": 0.75, "c": 9.0}) == 2.5
    assert mix_adjusted({"a": 1.0, "b": 3.0}, {"a": 0.0, "b": 0.0}) == 2.0
    assert mix_adjusted({"a": 1.0}, {}) is None


def test_the_halves_of_a_window_are_compared_and_broken_steps_left_out() -> None:
    names = ["loss_sum[books]", "targets[books]", "loss_sum[lists]", "targets[lists]"]
    rows = np.zeros(4, dtype=[(name, "<f8" if "loss" in name else "<i8") for name in names])
    rows["loss_sum[books]"], rows["targets[books]"] = [150, 150, 100, np.nan], [37, 38, 25, 99]
    rows["loss_sum[lists]"], rows["targets[lists]"] = [25, 0, 30, 45], [25, 0, 30, 45]
    split = window_split(rows)
    assert split is not None
    assert (split.before, split.after) == pytest.approx((3.25, 1.75))
    assert window_split(rows[["loss_sum[books]", "targets[books]"]]) is None
    assert window_split(rows[:1]) is None
