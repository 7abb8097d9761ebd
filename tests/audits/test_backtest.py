"""Backtests: the two stories replayed, rules in one table, rule files, false alarms, and files that cannot be read."""

import json
from pathlib import Path

import pytest

from tests.audits.conftest import HEALTHY
from tests.audits.stories import samples_of, written
from twosignal.audits.backtest import Backtest, Past, backtest
from twosignal.audits.recorded import Probe, Sample
from twosignal.audits.rules import RULES, Context, find_rules
from twosignal.audits.samples_file import read_samples
from twosignal.errors import InputError

LOOP = "region " * 140


def past(pattern: str, **more: object) -> Past:
    """One sample per sign, at steps 100, 200 and so on: X a loop, ? a short answer, . a sound text."""
    texts = {"X": LOOP, "?": "42", ".": HEALTHY[0]}
    samples = tuple(
        Sample(step=100 * number, text=texts[sign]) for number, sign in enumerate(pattern, start=1)
    )
    return Past(samples=samples, **more)  # type: ignore[arg-type]


def test_the_second_story_is_stopped_within_5000_steps_of_its_first_loop(tmp_path: Path) -> None:
    result = backtest(read_samples(written("second_story", tmp_path / "samples.jsonl")), find_rules(RULES))
    found = {one.name: one for one in result.rules}
    assert found["andrea"].fired_at == 132_000
    assert found["andrea"].steps_saved == 33_000
    assert found["andrea"].hours_saved == pytest.approx(3.82 * 24, abs=0.1)
    assert found["default"].fired_at is not None
    assert 80_000 <= found["default"].fired_at <= 85_000
    assert found["default"].false_alarms == 0
    assert "divergence" in [finding.id for finding in result.diagnosis]


@pytest.mark.parametrize("seed", range(1, 6))
def test_that_does_not_hang_on_the_draw(seed: int, tmp_path: Path) -> None:
    told = [one for one in samples_of("second_story", seed=seed) if one["step"] <= 90_000]
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(map(json.dumps, told)))
    (default,) = backtest(read_samples(path), find_rules(["default"])).rules
    assert default.fired_at is not None
    assert 80_000 <= default.fired_at <= 85_000


def test_one_sample_in_a_thousand_steps_is_enough(collapsed_run: list[tuple[int, dict[str, str]]]) -> None:
    samples = tuple(Sample(step=step, text=body["text"]) for step, body in collapsed_run)
    (default,) = backtest(Past(samples=samples), find_rules(["default"])).rules
    assert default.fired_at == 84_000


def test_the_small_model_is_never_stopped_and_its_plateau_shows(tmp_path: Path) -> None:
    result = backtest(read_samples(written("twelve_million", tmp_path / "samples.jsonl")), find_rules(RULES))
    assert [one.fired_at for one in result.rules] == [None, None, None]
    assert [finding.id for finding in result.diagnosis] == ["plateau"]


def test_a_firing_before_sound_texts_was_a_false_alarm() -> None:
    (andrea,) = backtest(past("." * 20 + "XXXXX" + "." * 30), find_rules(["andrea"])).rules
    assert (andrea.fired_at, andrea.firings, andrea.false_alarms) == (2_500, 1, 1)
    (andrea,) = backtest(past("." * 20 + "X" * 30), find_rules(["andrea"])).rules
    assert (andrea.fired_at, andrea.firings, andrea.false_alarms) == (2_500, 6, 0)


def test_the_classic_rules_stumble_over_short_answers_and_ours_does_not() -> None:
    result = backtest(past("?" * 20 + "." * 20), find_rules(RULES))
    found = {one.name: one for one in result.rules}
    assert found["andrea"].fired_at == 500
    assert found["andrea"].false_alarms == 4
    assert found["all-four"].fired_at == 500
    assert found["default"].fired_at is None
    assert (found["andrea"].flagged, found["default"].flagged) == (20, 0)


def test_a_run_whose_held_out_loss_rots_is_stopped_by_the_gate() -> None:
    probes = tuple(Probe(step=step, loss=12.0, by_source={}) for step in (100, 200, 300))
    result = backtest(past("....", probes=probes, context=Context(random_chance=9.0)), find_rules(RULES))
    found = {one.name: one for one in result.rules}
    assert (found["default"].fired_at, found["andrea"].fired_at) == (200, None)
    assert found["default"].reason.endswith("(rule soup)")


def rule_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "rule.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_rule_of_ones_own(tmp_path: Path) -> None:
    own = rule_file(tmp_path, 'name = "two of three"\ntest = "k-of-n"\nk = 2\nn = 3\n')
    result = backtest(past("..X.X" + "." * 9), find_rules([own, "andrea"]))
    found = {one.name: one for one in result.rules}
    assert found["two of three"].fired_at == 500
    assert found["two of three"].reason == "2 of the last 3 samples are strikes at step 500"
    assert found["andrea"].fired_at is None


def test_a_sum_of_ones_own(tmp_path: Path) -> None:
    """ln(.5/.1) = 1.61: two strikes are 3.2 nats, above a bar of 3."""
    own = rule_file(
        tmp_path, 'name = "quick"\ntest = "cusum"\nflag = "total"\nbelow = 25\np0 = 0.1\np1 = 0.5\nbar = 3\n'
    )
    (quick,) = backtest(past("..XX.."), find_rules([own])).rules
    assert quick.fired_at == 400
    assert quick.reason == "3.2 nats speak for 50% strikes at step 400"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('name = "x"\n', "test: Field required"),
        ('name = "x"\ntest = "sprt"\n', "test: Input should be 'k-of-n' or 'cusum'"),
        ('name = "x"\ntest = "cusum"\np1 = 2\n', "two different shares between 0 and 1"),
        ('name = "x"\ntest = "k-of-n"\nk = 9\nn = 3\n', "9 strikes of 3 samples"),
        ('name = "x"\ntest = "cusum"\nbarr = 2\n', "barr: Extra inputs are not permitted"),
        ("name = \n", "this is no rule"),
    ],
)
def test_a_rule_file_that_is_wrong_is_told_so(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=complaint):
        find_rules([rule_file(tmp_path, text)])


def test_a_rule_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="no such rule .*found adrea; expected default, andrea, all-four"):
        find_rules(["adrea"])


def test_two_rules_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the same name"):
        find_rules(["andrea", rule_file(tmp_path, 'name = "andrea"\ntest = "k-of-n"\n')])


def read(tmp_path: Path, *lines: str) -> Past:
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_samples(path)


def test_lines_are_put_in_order_and_one_step_is_one_panel(tmp_path: Path) -> None:
    told = read(
        tmp_path,
        '{"step": 300, "text": "c", "loss": 2, "time": "2026-03-22T02:00:00"}',
        "",
        '{"step": 100, "text": "a", "loss": 4.0, "time": "2026-03-22T00:00:00", "extra": 1}',
        '{"step": 100, "text": "b", "loss": 3.0, "prompt": null}',
    )
    assert [(one.step, one.text) for one in told.samples] == [(100, "a"), (100, "b"), (300, "c")]
    assert told.curve == ((100, 3.5), (300, 2.0))
    assert told.clock[1][1] - told.clock[0][1] == 7_200
    assert told.steps == (100, 300)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("nonsense", "samples.jsonl:2: the line is not JSON"),
        ("[]", "samples.jsonl:2: the line is not a sample"),
        ('{"text": "a"}', "samples.jsonl:2: the sample has no step .found None"),
        ('{"step": "5", "text": "a"}', "the sample has no step .found '5'; expected a whole number"),
        ('{"step": true, "text": "a"}', "the sample has no step"),
        ('{"step": 5}', "the sample has no text"),
        ('{"step": 5, "text": "a", "prompt": 3}', "the prompt is not a string"),
        ('{"step": 5, "text": "a", "loss": "low"}', "the loss is not a number"),
        ('{"step": 5, "text": "a", "time": "noon"}', "the time cannot be read"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=complaint):
        read(tmp_path, '{"step": 1, "text": "a"}', line)


def test_a_file_without_samples(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no samples"):
        read(tmp_path, "", "")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_samples(tmp_path / "absent.jsonl")


def test_the_result_is_plain_json() -> None:
    result: Backtest = backtest(past("....XXXXX"), find_rules(RULES))
    told = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert (told["samples"], told["first_step"], told["last_step"]) == (9, 100, 900)
    assert told["rules"]["andrea"]["fired_at"] == 900
    assert told["rules"]["andrea"]["hours_saved"] is None
