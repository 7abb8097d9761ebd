"""Tests of the loss tiers against the anchors and exercises of the sample audit."""

import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from twosignal.audits.tiers import TIERS, stored_tiers, tier_of, tiers_of
from twosignal.config import TiersTable
from twosignal.errors import ConfigError, RunError
from twosignal.records.smoothing import perplexity
from twosignal.runfile import load_config

CHANCE = math.log(8449)


@pytest.mark.parametrize(
    ("loss", "ppl", "name"),
    [(0.30, 1.35, "factual"), (0.74, 2.10, "textbook"), (1.94, 6.96, "imprecise")],
)
def test_exercise_5(loss: float, ppl: float, name: str) -> None:
    assert tier_of(loss).name == name
    assert perplexity(loss) == pytest.approx(ppl, abs=0.005)


@pytest.mark.parametrize(
    ("loss", "name", "action"),
    [
        (0.40, "factual", "ACCEPT"),
        (0.10, "ALERT", "INVESTIGATE"),
        (1.30, "constraint", "ACCEPT_WITH_NOTE"),
    ],
)
def test_exercise_6(loss: float, name: str, action: str) -> None:
    assert tier_of(loss).name == name
    assert tier_of(loss).action == action


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (0.13, "ALERT"),
        (0.30, "factual"),
        (0.70, "textbook"),
        (1.00, "constraint"),
        (1.05, "constraint"),
        (2.00, "imprecise"),
        (3.00, "vocabulary"),
        (5.00, "structure"),
        (9.04, "random"),
        (9.05, "worse than random"),
    ],
)
def test_anchors_lie_in_their_tiers(loss: float, name: str) -> None:
    assert tier_of(loss, random_chance=CHANCE).name == name


@pytest.mark.parametrize(
    ("bound", "below", "at"),
    [
        (0.20, "ALERT", "factual"),
        (0.50, "factual", "textbook"),
        (0.90, "textbook", "constraint"),
        (1.45, "constraint", "imprecise"),
        (2.45, "imprecise", "vocabulary"),
        (4.0, "vocabulary", "structure"),
        (7.0, "structure", "random"),
    ],
)
def test_a_bound_belongs_to_the_tier_above_it(bound: float, below: str, at: str) -> None:
    assert tier_of(bound - 1e-9).name == below
    assert tier_of(bound).name == at


def test_a_small_vocabulary_makes_a_low_loss_worse_than_random() -> None:
    assert tier_of(4.5, random_chance=math.log(65)).name == "worse than random"
    assert tier_of(4.5).name == "structure"


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_has_a_tier_of_its_own(loss: float) -> None:
    assert tier_of(loss, random_chance=CHANCE).name == "non-finite"
    assert tier_of(loss).action == "INVESTIGATE"


def test_perplexity_of_the_random_loss_is_the_vocabulary_and_never_overflows() -> None:
    assert perplexity(CHANCE) == pytest.approx(8449)
    assert perplexity(3.43) == pytest.approx(30.88, abs=0.005)
    assert perplexity(1e6) == math.inf


def test_the_run_file_moves_the_bounds() -> None:
    tiers = tiers_of(TiersTable(alert=0.1, factual=0.3))
    assert [tier.below for tier in tiers] == [0.1, 0.3, 0.9, 1.45, 2.45, 4.0, 7.0, math.inf]
    assert tier_of(0.15, tiers=tiers).name == "factual"
    assert tier_of(0.15).name == "ALERT"
    assert [tier.action for tier in tiers][:4] == ["INVESTIGATE", "ACCEPT", "ACCEPT", "ACCEPT_WITH_NOTE"]


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ({"alert": 0.5}, "factual = 0.5 must be above alert = 0.5"),
        ({"structure": 3.0}, "structure = 3 must be above vocabulary = 4"),
        ({"alert": 0.0}, "greater than 0"),
        ({"structure": math.inf}, "finite"),
        ({"alarm": 0.1}, "alarm"),
    ],
)
def test_bounds_that_do_not_rise_are_refused(bounds: dict[str, float], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TiersTable.model_validate(bounds)


def test_the_sentence_of_a_run_file_names_the_table(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        '[run]\nname = "a"\n[model]\npreset = "tiny"\n[sources.a]\npath = "a.txt"\n[tiers]\nalert = 0.6\n',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=r"\[tiers\].*factual = 0.5 must be above alert = 0.6"):
        load_config(path)


def test_tiers_of_a_stored_run_that_cannot_be_read_say_where() -> None:
    assert stored_tiers({}, where="run.toml") == TIERS
    assert stored_tiers({"tiers": {"alert": 0.1}}, where="run.toml")[0].below == 0.1
    with pytest.raises(RunError, match="run.toml: the tiers of the run cannot be read"):
        stored_tiers({"tiers": {"alert": 9}}, where="run.toml")
