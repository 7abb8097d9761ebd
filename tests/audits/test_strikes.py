"""Rule default: what it needs before it fires, on scores made here and through the gate on real texts."""

import json
import random
from collections.abc import Sequence

import pytest

from tests.audits.clean import prose_words
from tests.audits.families import DEGENERATE
from twosignal.audits.degeneration import Score, Signal
from twosignal.audits.finding import Verdict
from twosignal.audits.gate import Gate, RuleName
from twosignal.audits.strikes import TextHistory, against, strikes_sentence

SIGNAL = Signal(name="babble", value=1.0, span=(0, 3), reason="all of it belongs to no language")
SCORES = {
    "X": Score(text="bla bla blub", degenerate=True, signals=(SIGNAL,)),
    ".": Score(text="a sound text", degenerate=False, signals=()),
    "?": Score(text="42", degenerate=None, signals=()),
}
SPOKEN = "." * 20


def history_of(panels: Sequence[str]) -> TextHistory:
    """Feed one sampling per string, at steps 100, 200 and so on."""
    history = TextHistory()
    for number, panel in enumerate(panels, start=1):
        history = history.after(100 * number, [SCORES[sign] for sign in panel])
    return history


def fires(panels: Sequence[str], *, patience: int = 5) -> bool:
    return history_of(panels).lasts(100 * len(panels), patience=patience)


def test_a_model_that_never_spoke_is_left_alone() -> None:
    assert not fires("X" * 1000)
    assert not fires("X.X" * 300)


def test_a_model_that_spoke_is_stopped_after_five_bad_texts() -> None:
    assert not fires([*SPOKEN, *"XXXX"])
    assert fires([*SPOKEN, *"XXXXX"])


def test_some_bad_texts_among_good_ones_are_enough() -> None:
    assert fires([*SPOKEN, *"X..X..XX..X..XX.X"])
    assert not fires([*SPOKEN, *"X.........." * 30])


def test_the_usual_share_of_a_small_model_is_no_reason_to_halt_it() -> None:
    """Once it has spoken, a fifth of its texts are nonsense, as ever: nothing. Then half of them: halt."""
    draw = random.Random(3)
    before = ["".join(draw.choices("X.", [2, 8], k=4)) for _ in range(100)]
    usual = ["".join(draw.choices("X.", [2, 8], k=4)) for _ in range(30)]
    worse = ["".join(draw.choices("X.", [7, 3], k=4)) for _ in range(30)]
    assert not any(fires([*before, *SPOKEN, *usual[:number]]) for number in range(1, 31))
    assert any(fires([*before, *SPOKEN, *usual, *worse[:number]]) for number in range(1, 31))


def test_the_test_for_a_usual_share_by_hand() -> None:
    """Odds of .3 over those of .05 are (3/7) / (1/19) = 8.143; a fifth has odds 1/4, so 2.036 and 0.6706."""
    assert against(0.2).p1 == pytest.approx(0.6706, abs=1e-4)
    assert against(0.01).p0 == 0.05
    assert against(0.01).p1 == pytest.approx(0.3)
    assert against(1.0 - 1e-9).p1 < 1


def test_one_bad_sampling_is_not_enough_however_large_the_panel() -> None:
    assert not fires([SPOKEN, "X" * 12])
    assert not fires([SPOKEN, *["X" * 12] * 4])
    assert fires([SPOKEN, *["X" * 12] * 5])


def test_patience_is_the_users() -> None:
    assert fires([SPOKEN, "XXX", "XXX"], patience=2)
    assert not fires([SPOKEN, "XXX", "XXX"], patience=3)


def test_it_does_not_fire_on_a_sound_sampling() -> None:
    assert not fires([*SPOKEN, *"XXXXX", "...."])


def test_short_answers_neither_help_nor_hurt() -> None:
    assert not fires("?" * 500)
    assert not fires([*("?" * 100), *"XXXXXXXX"])
    assert fires([*SPOKEN, *"X?X??X?X?X"])


def test_good_texts_make_it_forget() -> None:
    history = history_of([*SPOKEN, *"XX", *SPOKEN])
    assert (history.strikes, history.samplings, history.judged) == (0, 0, 0)
    assert history.is_sound


def test_the_sentence_counts_since_the_first_strike() -> None:
    sentence = strikes_sentence(history_of([*SPOKEN, *"X.XXXX"]))
    assert sentence.startswith("5 of 6 texts from step 2,100 to step 2,600 are degenerate, at 5 samplings; ")
    assert sentence.endswith('the newest (babble) opens "bla bla blub"')


def watch(gate: Gate, texts: Sequence[str], *, start: int) -> list[Verdict]:
    return [gate.observe_samples(start + 100 * number, [{"text": text}]) for number, text in enumerate(texts)]


@pytest.mark.parametrize("family", ["gibberish", "template loop", "suffix soup"])
def test_families_that_the_classic_score_passes_stop_a_run(family: str, healthy: tuple[str, ...]) -> None:
    make, draw = DEGENERATE[family], random.Random(0)
    gate = Gate()
    assert {one.kind for one in watch(gate, healthy * 4, start=100)} == {"continue"}
    verdicts = watch(gate, [make(draw, prose_words(), 900) for _ in range(9)], start=10_000)
    assert verdicts[-1].kind == "halt"
    assert verdicts[-1].rule in ("default", "loop")


def test_both_signals_stand_in_one_verdict(healthy: tuple[str, ...]) -> None:
    gate = Gate(random_chance=9.04, unigram_loss=6.5)
    watch(gate, healthy * 4, start=100)
    gate.observe_probe(9_900, 3.43)
    bad = ["region " * 140, healthy[0], "region " * 140] * 3
    verdict = next(one for one in watch(gate, bad, start=10_000) if one.kind == "halt")
    assert verdict.rule == "default"
    assert "the held-out loss, 3.43 at step 9,900, does not show it: its lowest was 3.43" in verdict.reason
    assert verdict.evidence["best"] == 3.43
    assert verdict.evidence["strikes"] == 5
    assert verdict.evidence["signals"] == ["loop", "passage"]


def test_a_loss_that_rose_as_well_is_named() -> None:
    gate = Gate()
    gate.observe_probe(100, 3.0)
    gate.observe_probe(200, 3.5)
    verdict = watch(gate, ["region " * 140] * 5, start=300)[-1]
    assert "the held-out loss, 3.50 at step 200, has risen as well, from 3.00 at step 100" in verdict.reason


def test_wrong_language_is_judged_against_the_prompt(german: str, healthy: tuple[str, ...]) -> None:
    gate = Gate()
    for step in range(100, 2_500, 100):
        gate.observe_samples(step, [{"text": healthy[0], "prompt": healthy[1]}])
    body = {"text": german[:600], "prompt": healthy[1]}
    verdicts = [gate.observe_samples(step, [body]) for step in range(2_500, 3_000, 100)]
    assert verdicts[-1].kind == "halt"
    assert verdicts[-1].evidence["signals"] == ["language"]


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("andrea", "region " * 140, "andrea"),
        ("andrea", "one two three four five six seven eight nine ten eleven twelve " * 15, ""),
        ("all-four", "one two three four five six seven eight nine ten eleven twelve " * 15, "all-four"),
        ("default", "one two three four five six seven eight nine ten eleven twelve " * 15, "loop"),
    ],
)
def test_a_gate_listens_to_the_rule_it_was_given(rule: RuleName, text: str, expected: str) -> None:
    gate = Gate(rule=rule)
    assert watch(gate, [text] * 6, start=100)[-1].rule == expected
    assert Gate.restore(json.loads(json.dumps(gate.state()))).state() == gate.state()


@pytest.mark.parametrize("killed_after", [5, 21, 24])
def test_a_gate_killed_anywhere_counts_on(killed_after: int, healthy: tuple[str, ...]) -> None:
    texts = [*healthy * 4, "region " * 140, healthy[0], *["games, " * 140] * 4]
    whole = Gate()
    expected = watch(whole, texts, start=100)
    assert expected[-1].rule == "default"
    gate = Gate()
    seen = watch(gate, texts[:killed_after], start=100)
    gate = Gate.restore(json.loads(json.dumps(gate.state(), allow_nan=False)))
    seen += watch(gate, texts[killed_after:], start=100 + 100 * killed_after)
    assert seen == expected
    assert gate.state() == whole.state()


def test_a_state_from_before_this_rule_is_still_read() -> None:
    state = Gate(patience=3).state()
    for name in ("rule", "texts", "all_four"):
        del state[name]
    assert Gate.restore(state).state() == Gate(patience=3).state()
