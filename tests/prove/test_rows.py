"""Every check of the data, each with an input that trips it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.train.small import small_setup, write_chats
from twosignal.packs import stream as stream_module
from twosignal.packs.pack import NO_TARGET, Pack, lay_row
from twosignal.packs.plan import RowPlan
from twosignal.packs.prepare import PreparedSource
from twosignal.prove.proof import prove
from twosignal.prove.receipt import Check
from twosignal.prove.rows import check_census, check_ledger, check_packing
from twosignal.train.setup import Setup

LONG = "x" * 100


def ledger_check(setup: Setup) -> Check:
    return check_ledger(setup.config, {name: source.ledger for name, source in setup.sources.items()})


def census(setup: Setup) -> Check:
    per_step = setup.config.rows.per_step
    return check_census(setup.sources, setup.curriculum.shares, steps=setup.steps, per_step=per_step)


def chats_setup(folder: Path, *chats: list[tuple[str, str]], source: Any = None, **tables: Any) -> Setup:
    """A set-up run on these conversations, none of them held out."""
    write_chats(folder / "own.jsonl", *chats)
    sources = {"chat": {"path": "own.jsonl", "held_out": 0.0, **(source or {})}}
    return small_setup(folder, sources=sources, **tables)


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return small_setup(tmp_path)


@pytest.fixture
def chat(setup: Setup) -> PreparedSource:
    return setup.sources["chat"]


def test_targets_that_are_all_kept_pass(setup: Setup, chat: PreparedSource) -> None:
    check = ledger_check(setup)
    targets = sum(chat.stream.row(chat.stream.plan, n).num_targets for n in range(len(chat.stream.plan)))
    assert (check.id, check.passed, check.kind) == ("S4", True, None)
    assert check.message == f"{targets} targets will be trained on, 0 are lost"
    assert check.evidence == {"chat": {"targets": targets, "lost": {}}}


@pytest.mark.parametrize(
    ("supervise", "told"),
    [
        ("assistant", "assistant"),
        ({"role": "tool"}, "role tool"),
        ({"role": "user", "name": "Zara"}, "role user, name Zara"),
    ],
)
def test_a_source_without_a_turn_to_learn_is_refused(supervise: Any, told: str, tmp_path: Path) -> None:
    """Nothing else is checked then: there is nothing to check it on."""
    chats = [[("user", f"hello {n}")] for n in range(3)]
    receipt = prove(chats_setup(tmp_path, *chats, source={"supervise": supervise}))
    (check,) = receipt.checks
    assert (check.id, check.passed, check.kind) == ("S4", False, "no-targets")
    assert check.message == (
        f'source chat: not one of its 3 records has a turn to learn under supervise = "{told}"'
    )
    assert "Check the roles" in check.remedy


def test_a_source_that_is_held_out_altogether_is_told_apart(tmp_path: Path) -> None:
    chats = [[("user", "hello"), ("assistant", f"{n}")] for n in range(3)]
    check = ledger_check(chats_setup(tmp_path, *chats, source={"held_out": 1.0}))
    assert (check.passed, check.kind) == (False, "no-targets")
    assert check.message == "source chat: all of its 3 examples are held out, none is left to train on"


def long_and_short(folder: Path, *, too_long: str, max_lost: float = 0.02) -> Setup:
    """Three conversations of 3 targets, and one whose 6 targets do not fit into a row of 64 bytes."""
    chats = [[("user", "hi"), ("assistant", "no")] for _ in range(3)]
    chats.append([("user", LONG), ("assistant", "never")])
    return chats_setup(folder, *chats, rows={"tokens": 64, "too_long": too_long, "max_lost": max_lost})


def test_losing_more_targets_than_allowed_is_refused(tmp_path: Path) -> None:
    check = ledger_check(long_and_short(tmp_path, too_long="refuse", max_lost=0.39))
    assert (check.passed, check.kind) == (False, "lost-data")
    assert check.message.startswith("source chat: 6 of 15 targets (40.0%) would be lost")
    assert check.evidence["lost"] == {"conversation longer than a row, dropped": 6}
    assert "rows.tokens" in check.remedy


@pytest.mark.parametrize(("too_long", "max_lost"), [("refuse", 0.4), ("drop", 0.0), ("cut-turns", 0.0)])
def test_losing_what_the_run_file_allows_is_told_and_passes(
    too_long: str, max_lost: float, tmp_path: Path
) -> None:
    check = ledger_check(long_and_short(tmp_path, too_long=too_long, max_lost=max_lost))
    assert check.passed
    assert check.message == "9 targets will be trained on, 6 are lost"


def test_splitting_loses_nothing(tmp_path: Path) -> None:
    check = ledger_check(long_and_short(tmp_path, too_long="split"))
    assert check.message == "15 targets will be trained on, 0 are lost"


def test_dropping_everything_is_refused_whatever_is_allowed(tmp_path: Path) -> None:
    setup = chats_setup(
        tmp_path, [("user", LONG), ("assistant", "no")], rows={"tokens": 64, "too_long": "drop"}
    )
    check = ledger_check(setup)
    assert (check.passed, check.kind) == (False, "lost-data")
    assert "(100.0%)" in check.message


@pytest.mark.parametrize("supervise", ["all", "assistant", "last"])
@pytest.mark.parametrize("too_long", ["drop", "cut-turns", "split"])
def test_the_targets_told_are_those_of_the_rows(supervise: str, too_long: str, tmp_path: Path) -> None:
    turns = [("user", "hi"), ("assistant", "one"), ("user", "y" * 30), ("assistant", "z" * 30)]
    setup = chats_setup(
        tmp_path,
        turns,
        [("user", "hi"), ("assistant", "short")],
        source={"supervise": supervise},
        rows={"tokens": 40, "too_long": too_long},
    )
    source = setup.sources["chat"]
    rows = [source.stream.row(source.stream.plan, number) for number in range(len(source.stream.plan))]
    assert sum(row.num_targets for row in rows) == source.ledger.targets_kept
    assert sum(len(row.ids) for row in rows) == source.ledger.tokens - source.ledger.tokens_lost
    assert check_packing(setup.sources).passed


def test_rows_that_hold_every_token_once_pass(setup: Setup, chat: PreparedSource) -> None:
    check = check_packing(setup.sources)
    assert (check.id, check.passed) == ("S5", True)
    assert check.evidence == {"rows": len(chat.stream.plan)}
    assert check.evidence["rows"] > 4


def with_members(plan: RowPlan, members: list[int]) -> RowPlan:
    offsets = np.minimum(plan.offsets, len(members))
    offsets[-1] = len(members)
    return RowPlan(members=np.array(members), offsets=offsets)


def test_a_piece_in_no_row_is_found(setup: Setup, chat: PreparedSource) -> None:
    chat.stream.plan = with_members(chat.stream.plan, chat.stream.plan.members.tolist()[:-1])
    check = check_packing(setup.sources)
    assert (check.passed, check.kind) == (False, "lost-data")
    assert check.message == "source chat: 1 pieces stand in no row"
    assert "fault of twosignal itself" in check.remedy


def test_a_piece_in_two_rows_is_found(setup: Setup, chat: PreparedSource) -> None:
    members = chat.stream.plan.members.tolist()
    chat.stream.plan = with_members(chat.stream.plan, [*members, members[0]])
    check = check_packing(setup.sources)
    assert (check.passed, check.kind) == (False, "duplicated-data")
    assert check.message == "source chat: 1 pieces stand twice in the rows"


def test_a_conversation_that_is_kept_twice_is_found(tmp_path: Path) -> None:
    """All counts agree: only the identity of what stands there tells that one was replaced by a copy."""
    sources = chats_setup(tmp_path, *[[("user", "hi"), ("assistant", f"{n}")] for n in range(4)]).sources
    index = sources["chat"].store.index
    index["offset"][1], index["line"][1] = index["offset"][0], index["line"][0]
    check = check_packing(sources)
    assert (check.passed, check.kind) == (False, "duplicated-data")
    assert check.message == "source chat: own.jsonl:1 is kept twice"


def test_equal_conversations_of_two_places_are_the_datas_own(tmp_path: Path) -> None:
    chats = [[("user", "hi"), ("assistant", "no")] for _ in range(4)]
    assert check_packing(chats_setup(tmp_path, *chats).sources).passed


def spoil(kind: str, row: Pack) -> Pack:
    if kind == "targets shifted once more":
        return replace(row, targets=np.append(row.targets[1:], np.int32(NO_TARGET)))
    if kind == "targets lost":
        return replace(row, targets=np.full_like(row.targets, NO_TARGET))
    if kind == "prompt learned":
        return replace(row, targets=np.append(row.ids[1:], np.int32(NO_TARGET)))
    if kind == "positions running on":
        return replace(row, positions=np.arange(len(row.ids), dtype=np.int32))
    return replace(row, ids=row.ids[::-1])


@pytest.mark.parametrize(
    ("spoiled", "kind", "word"),
    [
        ("targets shifted once more", "wrong-targets", "targets"),
        ("targets lost", "wrong-targets", "targets"),
        ("prompt learned", "wrong-targets", "targets"),
        ("positions running on", "wrong-targets", "positions"),
        ("tokens reversed", "lost-data", "tokens"),
    ],
)
def test_a_spoiled_row_is_found(
    spoiled: str, kind: str, word: str, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lay(source: str, parts: Any) -> Pack:
        return spoil(spoiled, lay_row(source, parts))

    monkeypatch.setattr(stream_module, "lay_row", lay)
    check = check_packing(setup.sources)
    assert (check.passed, check.kind) == (False, kind)
    assert check.message.startswith(f"source chat: {word} of chat.jsonl:")


def test_the_kind_of_a_fault_does_not_come_from_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_chats(tmp_path / "twice-targets.jsonl", *[[("user", "a"), ("assistant", f"{n}")] for n in range(4)])
    setup = small_setup(tmp_path, sources={"chat": {"path": "twice-targets.jsonl", "held_out": 0.0}})
    monkeypatch.setattr(
        stream_module, "lay_row", lambda source, parts: spoil("tokens reversed", lay_row(source, parts))
    )
    assert check_packing(setup.sources).kind == "lost-data"


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"tokens": 1}, "lost-data"), ({"targets": 1}, "wrong-targets")],
)
def test_a_ledger_that_tells_of_more_than_the_rows_hold_is_found(
    change: dict[str, int], kind: str, chat: PreparedSource
) -> None:
    told = {name: getattr(chat.ledger, name) + more for name, more in change.items()}
    check = check_packing({"chat": replace(chat, ledger=replace(chat.ledger, **told))})
    assert (check.passed, check.kind) == (False, kind)


def test_the_poorest_step_is_counted(setup: Setup) -> None:
    check = census(setup)
    counts = [sum(row.num_targets for row in setup.draw_rows()) for _ in range(setup.steps)]
    assert (check.id, check.passed) == ("S6", True)
    assert check.evidence == {"fewest": min(counts), "rows_without_targets": 0}


def split_chats(folder: Path, *, seed: int = 0, per_step: int = 1) -> Setup:
    """Long questions and short answers, split: most rows have no target."""
    chats = [[("user", "q" * (30 + 9 * n)), ("assistant", "a" * (1 + n))] for n in range(5)]
    return chats_setup(
        folder,
        *chats,
        run={"steps": 40, "seed": seed},
        rows={"tokens": 24, "per_step": per_step, "too_long": "split"},
    )


def test_a_step_without_targets_is_refused(tmp_path: Path) -> None:
    check = census(split_chats(tmp_path))
    assert (check.id, check.passed, check.kind) == ("S6", False, "no-targets")
    assert "would have no target at all" in check.message
    assert "rows.per_step" in check.remedy


@pytest.mark.parametrize(
    ("per_step", "seed", "epoch"), [(1, 0, 0), (3, 1, 1), (4, 1, 3), (6, 1, 6), (6, 0, None), (8, 1, None)]
)
def test_the_census_foresees_what_is_drawn(
    per_step: int, seed: int, epoch: int | None, tmp_path: Path
) -> None:
    """Rows are packed anew in every epoch, so a later one may have a step that the first had not."""
    setup = split_chats(tmp_path, seed=seed, per_step=per_step)
    check = census(setup)
    counts = [sum(row.num_targets for row in setup.draw_rows()) for _ in range(setup.steps)]
    if epoch is None:
        assert check.passed
        assert check.evidence["fewest"] == min(counts) > 0
    else:
        step = counts.index(0) + 1
        assert not check.passed
        assert check.evidence["step"] == step
        assert (step * per_step - 1) // setup.sources["chat"].ledger.rows == epoch
