"""What other trainers print, against what was measured: figures by hand, from runs that were seen."""

import math

import pytest

from twosignal.audits.hostlog import Window, check_eval, check_log, check_weights


def window(**figures: float) -> Window:
    values: dict[str, float] = {"steps": 1, "loss": 6.33, "targets": 400, "passes": 8, **figures}
    return Window(**values)  # type: ignore[arg-type]


def test_a_true_log_has_no_finding() -> None:
    assert check_log(1, {"loss": 6.33, "entropy": 5.77, "mean_token_accuracy": 0.0143}, window()) == ()
    assert check_log(1, {"loss": math.nan, "entropy": math.nan}, window(loss=math.nan, bad_passes=3)) == ()


@pytest.mark.parametrize("printed", [30.99, 74.69, 0.0])
def test_a_number_printed_for_a_loss_that_is_none_is_non_finite(printed: float) -> None:
    (finding,) = check_log(1, {"loss": printed}, window(loss=math.nan, bad_passes=3))
    assert (finding.id, finding.severity, finding.evidence["kind"]) == (
        "printed-loss",
        "warning",
        "non-finite",
    )
    assert (
        f"printed as {printed:.4g}, and it is not a finite number in 3 of 8 micro-batches" in finding.message
    )


def test_a_number_printed_for_no_targets_says_no_targets() -> None:
    (finding,) = check_log(1, {"loss": 0.0}, window(loss=math.nan, targets=0, empty_passes=8))
    assert finding.evidence["kind"] == "no-targets"


def test_a_printed_loss_that_is_another_is_told() -> None:
    """transformers issue 37197: the loss times the accumulation steps."""
    (finding,) = check_log(3, {"loss": 50.64}, window())
    assert "printed as 50.64, and it is 6.3300 per target" in finding.message
    assert check_log(3, {"loss": 6.34}, window()) == ()


def test_an_accuracy_under_nan_is_none() -> None:
    """The first story: 0.0045 where 0.47% of the targets were token id 0."""
    seen = window(loss=math.nan, bad_passes=8, targets=10_000, first_ids=47)
    (finding,) = check_log(2, {"loss": math.nan, "mean_token_accuracy": 0.0045}, seen)
    assert (finding.id, finding.evidence["monitor"]) == ("accuracy-of-nan", "M5")
    assert "printed as 0.0045" in finding.message
    assert "whose share of the targets is 0.0047" in finding.message


def test_averages_over_empty_micro_batches_are_told_apart() -> None:
    """Entropy 1.45 instead of 5.78: three of four micro-batches had no targets."""
    seen = window(passes=4, empty_passes=3, entropy=5.78)
    (finding,) = check_log(2, {"loss": 6.33, "entropy": 1.445}, seen)
    assert finding.id == "diluted-metrics"
    assert "count as 0 in the printed entropy 1.445; over the targets the entropy is 5.78" in finding.message


def test_sound_weights_are_one() -> None:
    assert check_weights(1, [3.0, 1.0], [30.0, 10.0], targets=10) == ()
    assert check_weights(1, [3.0, 0.0], [30.0, 0.0], targets=10) == ()


def test_a_multiple_of_the_loss_is_wrong() -> None:
    (finding,) = check_weights(1, [6.0, 6.0], [30.0, 30.0], targets=10)
    assert (finding.id, finding.severity, finding.evidence["factor"]) == ("scaled-loss", "alarm", 2.0)


def test_a_mean_of_means_weighs_targets_unevenly() -> None:
    """30 and 10 targets at 6 nats: means of 6 and 6, halved, instead of 180/40 and 60/40."""
    (finding,) = check_weights(1, [3.0, 3.0], [180.0, 60.0], targets=40)
    assert finding.id == "uneven-weights"
    assert "counts 3.00 times as much" in finding.message


@pytest.mark.parametrize(
    ("taken", "sums", "targets"),
    [([math.nan], [1.0], 3), ([1.0], [math.inf], 3), ([0.0], [0.0], 3), ([1.0], [1.0], 0)],
)
def test_weights_of_what_is_no_number_are_not_judged(
    taken: list[float], sums: list[float], targets: int
) -> None:
    assert check_weights(1, taken, sums, targets=targets) == ()


def test_an_evaluation_loss_is_compared_by_targets() -> None:
    """6.341 printed, 6.349 true: the figures of a measured run."""
    (finding,) = check_eval(9, 6.341, loss_sum=6349.0, targets=1000)
    assert "printed as 6.3410; over its 1,000 targets it is 6.3490" in finding.message
    assert finding.severity == "note"
    assert check_eval(9, 6.349, loss_sum=6349.0, targets=1000) == ()
    assert check_eval(9, 6.349, loss_sum=0.0, targets=0) == ()
