"""Tests of the gate: the rules, what must never be a strike, and going on after a kill."""

import json
import math
from collections.abc import Sequence

import pytest

from twosignal.audits.finding import Verdict
from twosignal.audits.gate import Gate, replay
from twosignal.audits.recorded import read_probe, read_sample
from twosignal.errors import RunError

Event = tuple[int, dict[str, object]]
LOOP = "region " * 140
FLUENT_LOOP = (
    "the quick brown fox jumps over a sleepy dog while seven small children watch from an old wooden "
    "bridge and wave at every ship below today "
) * 15


def watch(gate: Gate, texts: Sequence[str], *, start: int = 100) -> list[Verdict]:
    return [gate.observe_samples(start + 100 * number, [{"text": text}]) for number, text in enumerate(texts)]


def test_five_low_totals_in_a_row_halt_with_a_sentence_that_names_the_evidence() -> None:
    verdicts = watch(Gate(), [LOOP] * 5)
    assert [verdict.kind for verdict in verdicts] == ["continue"] * 4 + ["halt"]
    assert verdicts[-1].rule == "andrea"
    assert verdicts[-1].step == 500
    assert "5 samplings running (steps 100 to 500: 22.8, 22.8, 22.8, 22.8, 22.8)" in verdicts[-1].reason
    assert 'opens "region region' in verdicts[-1].reason
    assert "strike 4 of 5" in verdicts[3].reason


def test_a_sound_text_ends_the_row(healthy: tuple[str, ...]) -> None:
    verdicts = watch(Gate(), [LOOP] * 4 + [healthy[0]] + [LOOP] * 4)
    assert all(verdict.kind == "continue" for verdict in verdicts)


def test_threshold_and_patience_are_the_users() -> None:
    assert watch(Gate(patience=2), [LOOP] * 2)[-1].rule == "andrea"
    assert watch(Gate(threshold=20), [LOOP] * 5)[-1].rule == "loop"


def test_short_right_answers_are_never_a_strike() -> None:
    gate = Gate()
    answers = ["Paris.", "42", "Yes.", "Blue"]
    for step in range(100, 3_000, 100):
        assert gate.observe_samples(step, [{"text": text} for text in answers]).kind == "continue"
    assert gate.strikes == 0


def test_answers_too_short_to_judge_do_not_end_a_row_of_strikes() -> None:
    verdicts = watch(Gate(), [LOOP] * 4 + ["Paris."] + [LOOP])
    assert [verdict.kind for verdict in verdicts] == ["continue"] * 5 + ["halt"]


def test_silence_five_times_halts() -> None:
    verdict = watch(Gate(), [""] * 5)[-1]
    assert verdict.kind == "halt"
    assert "the texts were empty" in verdict.reason


def test_a_fluent_loop_escapes_the_total_and_is_caught_by_the_rule_of_loops() -> None:
    verdict = watch(Gate(), [FLUENT_LOOP] * 5)[-1]
    assert verdict.kind == "halt"
    assert verdict.rule == "loop"
    assert "below 10 of 70" in verdict.reason


def test_a_long_row_says_since_when() -> None:
    reason = watch(Gate(), [LOOP] * 12)[-1].reason
    assert "12 samplings running (steps 100 to 1,200, the newest: " in reason


def test_chinese_prose_passes_and_a_chinese_loop_halts(chinese: str) -> None:
    assert all(verdict.kind == "continue" for verdict in watch(Gate(), [chinese] * 10))
    assert watch(Gate(), [chinese[:12] * 30] * 5)[-1].kind == "halt"


def test_word_soup_is_caught_by_held_out_loss_alone() -> None:
    gate = Gate(random_chance=9.04, unigram_loss=6.5)
    verdicts = [gate.observe_probe(step, 6.5) for step in range(100, 1_100, 100)]
    assert [verdict.kind for verdict in verdicts] == ["continue"] * 9 + ["halt"]
    assert verdicts[-1].rule == "soup"
    assert verdicts[-1].evidence["unigram_loss"] == 6.5


def test_the_heartbeat_is_the_last_observed_step(healthy: tuple[str, ...]) -> None:
    gate = Gate()
    assert gate.heartbeat is None
    gate.observe_probe(100, 5.0)
    assert gate.heartbeat == 100
    gate.observe_samples(200, [{"text": healthy[0]}])
    assert gate.heartbeat == 200


@pytest.mark.parametrize("killed_after", range(1, 12))
def test_a_gate_killed_anywhere_goes_on_as_if_nothing_happened(
    killed_after: int, healthy: tuple[str, ...]
) -> None:
    texts = [healthy[0], *[LOOP] * 3, healthy[1], *[LOOP] * 7]
    losses = [6.0, 4.0, 3.0, math.nan, *[7.0] * 8]

    def observe(gate: Gate, number: int) -> list[Verdict]:
        step = 100 * (number + 1)
        return [
            gate.observe_probe(step, losses[number]),
            gate.observe_samples(step, [{"text": texts[number]}]),
        ]

    whole = Gate(patience=3, random_chance=9.0, unigram_loss=6.5)
    expected = [verdict for number in range(12) for verdict in observe(whole, number)]
    assert any(verdict.kind == "halt" for verdict in expected)

    gate = Gate(patience=3, random_chance=9.0, unigram_loss=6.5)
    seen = [verdict for number in range(killed_after) for verdict in observe(gate, number)]
    gate = Gate.restore(json.loads(json.dumps(gate.state(), allow_nan=False)))
    seen += [verdict for number in range(killed_after, 12) for verdict in observe(gate, number)]
    assert seen == expected
    assert gate.state() == whole.state()


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(RunError, match=r"another version.*found version 99; expected version 1"):
        Gate.restore(Gate().state() | {"version": 99})


def test_a_state_that_is_no_state_is_refused() -> None:
    with pytest.raises(RunError, match="cannot be read"):
        Gate.restore({"andrea": "five"})


def test_the_collapsed_run_is_stopped_well_before_132_thousand(collapsed_run: list[Event]) -> None:
    samples = [read_sample(step, body) for step, body in collapsed_run]
    verdicts = replay(Gate(), samples, probes=[])
    first = next(verdict for verdict in verdicts if verdict.kind == "halt")
    assert first.step == 84_000
    assert first.rule == "andrea"
    assert all(verdict.kind == "halt" for verdict in verdicts if verdict.step >= 84_000)


def test_all_four_loops_of_the_collapsed_run_are_strikes(collapsed_run: list[Event]) -> None:
    texts = {step: body["text"] for step, body in collapsed_run}
    for step in (80_000, 110_000, 140_000, 165_000):
        gate = Gate(patience=1)
        assert gate.observe_samples(step, [{"text": texts[step]}]).rule == "andrea"


def test_the_small_models_curve_with_its_plateau_is_not_stopped(healthy: tuple[str, ...]) -> None:
    bands = [4.50, 3.88, 3.30, 2.80, 2.40, 2.40, 2.50, 2.35, 2.10, 2.00]
    events = [(2_500 * number, loss) for number, loss in enumerate(bands, start=1)]
    probes = [read_probe(step, {"loss": loss}) for step, loss in events]
    samples = [read_sample(step, {"text": healthy[step // 2_500 % 6]}) for step, _ in events]
    gate = Gate(random_chance=math.log(2305), unigram_loss=5.9)
    assert {verdict.kind for verdict in replay(gate, samples, probes=probes)} == {"continue"}


def test_replay_judges_a_panel_as_one_sampling(healthy: tuple[str, ...]) -> None:
    panel = [
        read_sample(step, {"text": text})
        for step in (100, 200)
        for text in (LOOP, healthy[0], healthy[1], "Paris.")
    ]
    verdicts = replay(Gate(patience=1), panel, probes=[])
    assert [(verdict.step, verdict.kind) for verdict in verdicts] == [(100, "continue"), (200, "continue")]
