"""The curriculum: what it draws, what it holds a policy to, what it says, and that it goes on where it was."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from tests.curriculum.rig import arms, curriculum, take_step
from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.limits import Limits
from twosignal.curriculum.policies import make_policy
from twosignal.curriculum.policy import Arm, Shares, StepSeen
from twosignal.curriculum.still import Still
from twosignal.errors import ConfigError, InputError


def test_shares_of_the_policies_without_opinion() -> None:
    sources = [
        Arm(name="a", rows=30, documents=3, weight=1.0),
        Arm(name="b", rows=10, documents=9, weight=4.0),
    ]
    assert curriculum("proportional", sources).shares == {"a": 0.75, "b": 0.25}
    assert curriculum("uniform", sources).shares == {"a": 0.5, "b": 0.5}
    assert curriculum("fixed", sources).shares == {"a": 0.2, "b": 0.8}


def test_fixed_without_weights_and_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs a weight above 0"):
        make_policy("fixed", arms(a=1), seed=0)
    with pytest.raises(ConfigError, match='no curriculum policy "greedy"'):
        make_policy("greedy", arms(a=1), seed=0)


def test_rows_follow_the_shares_within_every_step() -> None:
    run = curriculum("proportional", arms(a=600, b=300, c=100))
    for _ in range(10):
        drawn, _ = take_step(run, rows=10)
        assert drawn == {"a": 6, "b": 3, "c": 1}


def test_one_source_per_step_where_a_pull_is_a_step() -> None:
    run = curriculum("proportional", arms(a=600, b=300, c=100), Limits(pull="step"))
    steps = [take_step(run, rows=4)[0] for _ in range(10)]
    assert all(len(drawn) == 1 for drawn in steps)
    assert Counter(next(iter(drawn)) for drawn in steps) == {"a": 6, "b": 3, "c": 1}


def test_floors_and_caps_hold_whatever_the_policy_says() -> None:
    sources = [
        Arm(name="a", rows=90, documents=1, cap=0.5),
        Arm(name="b", rows=9, documents=1),
        Arm(name="c", rows=1, documents=1, floor=0.3),
    ]
    assert curriculum("proportional", sources).shares == pytest.approx({"a": 0.5, "b": 0.2, "c": 0.3})


@pytest.mark.parametrize(
    ("sources", "limits", "sentence"),
    [
        (
            {"a": {"floor": 0.6}, "b": {"floor": 0.6}},
            Limits(),
            r"floors .* exceed the whole \(found sum 1\.20",
        ),
        (
            {"a": {"cap": 0.4}, "b": {"cap": 0.5}},
            Limits(),
            r"caps of all sources .* to nobody \(found sum 0\.90",
        ),
        ({"a": {"floor": 0.5, "cap": 0.4}, "b": {}}, Limits(), r"floor stands above the cap"),
        ({"a": {"cap": 1.546}, "b": {}}, Limits(), r"shares of the rows .*cap 1\.546"),
        ({"a": {}}, Limits(warmup_steps=5, warmup_sources=("z",)), r"does not have: z"),
        ({"a": {}}, Limits(warmup_steps=5), r"steps and no sources"),
        (
            {"a": {"cap": 0.4}, "b": {}},
            Limits(warmup_steps=5, warmup_sources=("a",)),
            r"caps of the warmup sources",
        ),
        ({"a": {}}, Limits(epoch_cap=0.5), r"before all of it was read"),
        ({"a": {"rows": 0}}, Limits(), r"has no rows"),
        ({}, Limits(), r"no source to draw from"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    sources: dict[str, dict[str, float]], limits: Limits, sentence: str
) -> None:
    given = [replace(Arm(name=name, rows=10, documents=1), **table) for name, table in sources.items()]  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=sentence):
        limits.check(given)


def test_a_floor_that_is_a_weight_may_exceed_the_whole() -> None:
    Limits(floors="weight").check([replace(arm, floor=0.8) for arm in arms(a=1, b=1)])


def test_only_the_warmup_sources_until_the_last_warmup_step() -> None:
    run = curriculum(
        "proportional", arms(a=50, b=50, c=100), Limits(warmup_steps=3, warmup_sources=("a", "b"))
    )
    assert run.shares == {"a": 0.5, "b": 0.5, "c": 0.0}
    _, said = take_step(run, rows=2)
    assert [(choice.kind, choice.reason) for choice in said] == [("phase", "warmup: only a, b until step 3")]
    for _ in range(2):
        drawn, said = take_step(run, rows=2)
        assert drawn == {"a": 1, "b": 1}
    assert [choice.reason for choice in said] == ["the warmup of 3 steps is over: c may be drawn"]
    assert run.shares == {"a": 0.25, "b": 0.25, "c": 0.5}
    assert "c" in take_step(run, rows=2)[0]


def test_a_tiny_source_never_passes_the_epoch_cap() -> None:
    run = curriculum("uniform", arms(tiny=7, large=1000), Limits(epoch_cap=5.0, paying_epochs=100))
    said = [choice for _ in range(20) for choice in take_step(run, rows=8)[1]]
    assert run.served.drawn == {"tiny": 35, "large": 125}
    assert run.served.epochs("tiny") == 5.0
    assert [choice.reason for choice in said] == ["tiny has been read 5.00 times; the epoch cap is 5"]
    assert said[0].shares == {"tiny": 0.0, "large": 1.0}


def test_the_cap_holds_where_epochs_are_no_whole_number_of_rows() -> None:
    run = curriculum("uniform", arms(tiny=3, large=1000), Limits(epoch_cap=1.5))
    for _ in range(10):
        take_step(run, rows=8)
    assert run.served.drawn["tiny"] == 4


def test_epochs_that_the_run_counts_itself_count() -> None:
    run = curriculum("uniform", arms(tiny=10, large=1000))
    take_step(run, rows=2)
    run.see_step(StepSeen(step=2, rows={}, losses={}, epochs={"tiny": 5.0}))
    assert run.shares == {"tiny": 0.0, "large": 1.0}


def test_repetition_weighs_less_once_it_stops_paying() -> None:
    """After 4 epochs a repeated row is worth exp(-3 / 15.4) = 0.823 of a fresh one."""
    run = curriculum("uniform", arms(tiny=10, large=1000), Limits(epoch_cap=None))
    said = [choice for _ in range(10) for choice in take_step(run, rows=8)[1]]
    assert [choice.reason for choice in said] == [
        "tiny has been read 4 times: its rows weigh 0.82 of fresh ones"
    ]
    assert run.shares["tiny"] == pytest.approx(0.823 / 1.823, abs=1e-3)


def test_sources_that_come_round_together_are_not_discounted() -> None:
    run = curriculum("proportional", arms(a=6, b=2), Limits(epoch_cap=None))
    for _ in range(10):
        assert take_step(run, rows=8)[1] == []
    assert run.shares == {"a": 0.75, "b": 0.25}


def test_data_starvation_is_said_and_the_run_goes_on_by_size() -> None:
    run = curriculum("uniform", arms(a=4, b=8), Limits(epoch_cap=2.0))
    said = [choice for _ in range(4) for choice in take_step(run, rows=8)[1]]
    assert [choice.reason.split(":")[0] for choice in said] == [
        "a has been read 2.00 times; the epoch cap is 2",
        "data starvation",
    ]
    assert run.shares == pytest.approx({"a": 1 / 3, "b": 2 / 3})
    assert run.report()["starving"] is True


def test_the_epoch_cap_is_off_where_the_plan_needs_more_and_with_one_source() -> None:
    assert Limits(planned_rows=61).epochs_allowed(arms(a=4, b=8)) is None
    assert Limits(planned_rows=60).epochs_allowed(arms(a=4, b=8)) == 5.0
    assert Limits().epochs_allowed(arms(a=4)) is None
    run = curriculum("uniform", arms(a=4, b=8), Limits(planned_rows=61))
    _, said = take_step(run, rows=1)
    assert [choice.reason for choice in said] == [
        "the run plans 61 rows, 5.1 times all there are: the epoch cap of 5 is off"
    ]


def test_the_operator_caps_sets_retires_and_releases() -> None:
    run = curriculum("uniform", arms(a=10, b=10, c=10))
    choice = run.cap("a", 0.2, step=0, by="operator", reason="too many lists")
    assert choice.kind == "operator"
    assert choice.reason == "a is capped at 20.0% of the rows: too many lists"
    assert choice.shares == run.shares == pytest.approx({"a": 0.2, "b": 0.4, "c": 0.4})
    run.set_share("b", 0.7, step=0, by="operator", reason="more")
    assert run.shares == pytest.approx({"a": 0.15, "b": 0.7, "c": 0.15})
    run.set_share("c", 0, step=0, by="operator", reason="less")
    assert run.shares == pytest.approx({"a": 2 / 9, "b": 7 / 9, "c": 0.0}), (
        "0.2 and 0.7 leave a tenth to nobody"
    )
    assert "c" not in take_step(run, rows=50)[0]
    run.release("c", step=1, by="operator", reason="again")
    assert run.shares["c"] > 0
    assert run.report()["choices"][0]["reason"] == "c is released: again"


def test_the_gate_tightens_and_never_loosens_what_the_operator_set() -> None:
    run = curriculum("uniform", arms(a=10, b=10))
    run.set_share("a", 0, step=0, by="operator", reason="retired")
    run.cap("a", 0.3, step=0, by="gate", reason="lists")
    assert run.shares == {"a": 0.0, "b": 1.0}
    run.cap("a", 0.3, step=0, by="operator", reason="again")
    assert run.shares["a"] == pytest.approx(0.3)


def test_an_act_that_leaves_no_source_is_not_done() -> None:
    run = curriculum("uniform", arms(a=10, b=10))
    run.set_share("a", 0, step=0, by="operator", reason="x")
    choice = run.cap("b", 0, step=0, by="gate", reason="loops")
    assert (
        choice.reason == "not done, no source would be left to draw: b is capped at 0.0% of the rows: loops"
    )
    assert run.shares == {"a": 0.0, "b": 1.0}


def test_a_cap_on_the_only_source_says_what_is_in_force() -> None:
    run = curriculum("uniform", arms(a=10))
    choice = run.cap("a", 0.5, step=0, by="gate", reason="loops")
    assert run.shares == {"a": 1.0}
    assert choice.reason.endswith("(in force: 100.0%, the other sources may not take the rest)")


def test_the_operator_comes_before_the_floors_of_the_run_file() -> None:
    sources = [replace(arm, floor=0.4) for arm in arms(a=10, b=10)]
    run = curriculum("uniform", sources)
    run.set_share("a", 0.9, step=0, by="operator", reason="x")
    assert run.shares == pytest.approx({"a": 0.9, "b": 0.1})


def test_a_set_share_waits_for_the_phase_and_never_passes_the_epochs() -> None:
    limits = Limits(warmup_steps=2, warmup_sources=("a",), epoch_cap=2.0)
    run = curriculum("uniform", arms(a=100, b=4), limits)
    choice = run.set_share("b", 0.5, step=0, by="operator", reason="now")
    assert choice.reason.endswith("(in force: 0.0%, the source is closed: phase)")
    assert run.shares == {"a": 1.0, "b": 0.0}
    for _ in range(8):
        take_step(run, rows=4)
    assert run.served.drawn["b"] == 8
    assert run.shares == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        curriculum("uniform", arms(a=1, b=1)).cap("a", share, step=0, by="operator", reason="x")


def test_an_unknown_source_is_refused() -> None:
    run = curriculum("uniform", arms(a=1, b=1))
    with pytest.raises(InputError, match="no source c .*one of a, b"):
        run.set_share("c", 0.5, step=0, by="operator", reason="x")


def test_losses_that_are_no_numbers_are_no_evidence() -> None:
    run = curriculum("uniform", arms(a=10, b=10))
    take_step(run, rows=2, loss=float("nan"))
    assert run.report()["arms"]["a"]["loss"] is None
    take_step(run, rows=2, loss=2.5)
    assert run.report()["arms"]["a"]["loss"] == 2.5


def test_the_report_is_plain_and_complete() -> None:
    sources = [Arm(name="a", rows=10, documents=5, floor=0.1, cap=0.6), Arm(name="b", rows=30, documents=7)]
    run = curriculum("proportional", sources)
    take_step(run, rows=20)
    report = json.loads(json.dumps(run.report(), allow_nan=False))
    assert report["base"] == report["shares"] == {"a": 0.25, "b": 0.75}
    arm = report["arms"]["a"]
    assert (arm["share"], arm["floor"], arm["cap"], arm["rows"], arm["documents"]) == (0.25, 0.1, 0.6, 10, 5)
    assert (arm["drawn"], arm["epochs"], arm["coverage"], arm["loss"], arm["probe"]) == (
        5,
        0.5,
        0.5,
        3.0,
        None,
    )


def test_at_most_200_choices_are_kept_newest_first() -> None:
    run = curriculum("uniform", arms(a=10, b=10))
    for number in range(250):
        run.cap("a", 0.5, step=number, by="operator", reason=str(number))
    steps = [choice["step"] for choice in run.report()["choices"]]
    assert steps == list(range(249, 49, -1))


class Adrift(Still):
    """A policy that asks for nonsense from its third question on."""

    def shares(self) -> Shares:
        self.asked = getattr(self, "asked", 0) + 1
        return super().shares() if self.asked < 3 else {"a": float("nan"), "b": 1.0}


def test_a_policy_adrift_is_not_followed_and_said_once() -> None:
    run = Curriculum(arms(a=30, b=10), Adrift("uniform", {"a": 1, "b": 1}))
    said = [choice for _ in range(6) for choice in take_step(run, rows=4)[1]]
    assert [choice.kind for choice in said] == ["safety"]
    assert "asks for shares that are none" in said[0].reason
    assert run.shares == {"a": 0.75, "b": 0.25}
