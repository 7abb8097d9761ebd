"""Labels that should not be targets, and a share of learned tokens that jumps."""

from twosignal.audits.labels import LabelCounts, check_labels, check_share


def counts(targets: int, possible: int = 634, **more: int) -> LabelCounts:
    return LabelCounts(step=2, targets=targets, possible=possible, **more)


def test_sound_labels_have_no_finding() -> None:
    assert check_labels(counts(228), only_answers=True) == ()
    assert check_labels(counts(634), only_answers=False) == ()
    assert check_labels(counts(0, possible=0), only_answers=True) == ()


def test_all_tokens_learned_where_only_answers_were_asked_for() -> None:
    (finding,) = check_labels(counts(634), only_answers=True)
    assert (finding.id, finding.evidence["kind"]) == ("mask-lost", "wrong-targets")
    assert "all 634 tokens that can be targets are: the mask is lost" in finding.message
    assert check_labels(counts(633), only_answers=True) == ()


def test_labels_that_are_other_tokens() -> None:
    (finding,) = check_labels(counts(228, strays=200), only_answers=True)
    assert "200 of 228 labels are not the token they stand at" in finding.message


def test_targets_across_a_boundary() -> None:
    (finding,) = check_labels(counts(77, crossings=5), only_answers=False)
    assert "5 of 77 targets are the first token of a packed conversation" in finding.message


def test_a_share_that_jumps_to_everything_is_told() -> None:
    (finding,) = check_share(counts(634), [0.3, 0.36, 0.4])
    assert finding.message == "at step 2 all 634 tokens are learned from, and 36% of them were before"
    assert finding.severity == "warning"


def test_a_share_is_not_missed_before_it_is_known_or_where_it_is_usual() -> None:
    assert check_share(counts(634), [0.3, 0.36]) == ()
    assert check_share(counts(634), [0.9, 0.95, 1.0]) == ()
    assert check_share(counts(633), [0.3, 0.36, 0.4]) == ()
