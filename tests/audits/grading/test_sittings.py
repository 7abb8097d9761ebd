from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.audits.grading.conftest import Sealed, by_sort, grade_all
from twosignal.audits.grading.folder import FOLDER, read_graded, read_ledger
from twosignal.audits.grading.grades import Grades
from twosignal.audits.grading.invitations import (
    FILE,
    Invited,
    Seat,
    grader_name,
    invite,
    read_seats,
    write_seats,
)
from twosignal.audits.grading.sittings import Sittings
from twosignal.errors import InputError, RunError

HOUR = 3600.0


@pytest.fixture
def invited() -> Invited:
    return invite((), ["Ada", "Ben"], until=HOUR)


def sit(run: Path, sealed: Sealed, seats: tuple[Seat, ...], *, now: float = 0.0) -> Sittings:
    place = run / FOLDER / sealed[0].bundle
    write_seats(place, seats)
    return Sittings(
        run=run, bundle=sealed[0], seats={one.seat: one for one in read_seats(place)}, clock=lambda: now
    )


def file_of(sealed: Sealed, grader: str, *, count: int = 10_000) -> bytes:
    grades = grade_all(sealed[1], by_sort(6), grader=grader)
    return Grades(
        bundle=grades.bundle, grader=grader, rater="person", grades=grades.grades[:count]
    ).to_bytes()


def test_a_token_opens_its_own_seat_in_one_browser(
    run_folder: Path, sealed: Sealed, invited: Invited
) -> None:
    sittings = sit(run_folder, sealed, invited.seats)
    (ada, ada_token), (ben, ben_token) = invited.tokens.items()
    secret = sittings.enter(ada, ada_token, browser="")
    assert sittings.enter(ada, ada_token, browser=secret) == secret, "a reload"
    assert sittings.enter(ada, "", browser=secret) == secret, "a reload without the token"
    assert sittings.seated(ada, secret).grader == "Ada"
    for token, browser, sentence in (
        (
            ada_token,
            "",
            "this link was opened in another browser before. Go on there, or ask for a new link.",
        ),
        (ada_token, "another", "opened in another browser"),
        (ben_token, "", "this link is not valid"),
        ("", "", "this page opens by the link you were sent"),
        ("\ud800", "", "this link is not valid"),
    ):
        with pytest.raises(InputError, match=sentence):
            sittings.enter(ada, token, browser=browser)
    with pytest.raises(InputError, match="this link is not valid"):
        sittings.enter("nobody", ada_token, browser="")
    for seat, browser in ((ben, secret), (ada, ""), (ada, ada_token), ("nobody", secret)):
        with pytest.raises(InputError, match="open in another browser, or was never opened"):
            sittings.seated(seat, browser)


def test_of_two_browsers_at_once_one_gets_in(run_folder: Path, sealed: Sealed, invited: Invited) -> None:
    sittings = sit(run_folder, sealed, invited.seats)
    ada, token = next(iter(invited.tokens.items()))

    def enter(_: int) -> str:
        try:
            return sittings.enter(ada, token, browser="")
        except InputError:
            return ""

    with ThreadPoolExecutor(8) as pool:
        secrets = [one for one in pool.map(enter, range(16)) if one]
    assert len(secrets) == 1
    assert sittings.seated(ada, secrets[0]).grader == "Ada"


def test_neither_tokens_nor_secrets_are_kept(run_folder: Path, sealed: Sealed, invited: Invited) -> None:
    sittings = sit(run_folder, sealed, invited.seats)
    secrets = [sittings.enter(seat, token, browser="") for seat, token in invited.tokens.items()]
    kept = b"".join(path.read_bytes() for path in run_folder.rglob("*") if path.is_file())
    assert len({*secrets, *invited.tokens.values()}) == 4
    assert not any(word.encode() in kept for word in (*secrets, *invited.tokens.values()))
    assert "token" not in repr(sittings.seats).replace("token_sha256", "")


def test_a_link_expires_and_a_renewed_one_goes_on(run_folder: Path, sealed: Sealed, invited: Invited) -> None:
    ada, token = next(iter(invited.tokens.items()))
    early = sit(run_folder, sealed, invited.seats, now=HOUR - 1)
    secret = early.enter(ada, token, browser="")
    seat = early.seated(ada, secret)
    early.keep(seat, file_of(sealed, "Ada", count=3))
    late = sit(run_folder, sealed, tuple(early.seats.values()), now=HOUR)
    assert late.is_over()
    for refused in (
        lambda: late.enter(ada, token, browser=secret),
        lambda: late.seated(ada, secret),
        lambda: late.keep(seat, file_of(sealed, "Ada")),
        lambda: late.submit(seat, file_of(sealed, "Ada")),
    ):
        with pytest.raises(
            InputError, match="this link has expired. Ask for a new one; what you have graded"
        ):
            refused()
    renewed = invite(tuple(late.seats.values()), ["Ben"], until=9 * HOUR, renew=["ada"])
    assert list(renewed.tokens) == [ada], "Ben has his link"
    anew = sit(run_folder, sealed, renewed.seats, now=HOUR)
    with pytest.raises(InputError, match="this link is not valid"):
        anew.enter(ada, token, browser="")
    with pytest.raises(InputError, match="this page opens by the link"):
        anew.enter(ada, "", browser=secret)
    back = anew.seated(ada, anew.enter(ada, renewed.tokens[ada], browser=""))
    draft = anew.draft(back)
    assert draft is not None
    assert len(draft.grades) == anew.num_drafted(back) == 3


def test_a_restart_knows_who_sat_where_what_was_kept_and_whose_grades_are_in(
    run_folder: Path, sealed: Sealed, invited: Invited
) -> None:
    (ada, ada_token), (ben, ben_token) = invited.tokens.items()
    sittings = sit(run_folder, sealed, invited.seats)
    mine, his = (sittings.enter(seat, token, browser="") for seat, token in invited.tokens.items())
    sittings.keep(sittings.seated(ben, his), file_of(sealed, "Ben", count=2))
    sittings.submit(sittings.seated(ada, mine), file_of(sealed, "Ada"))
    again = sit(run_folder, sealed, tuple(sittings.seats.values()))
    assert again.enter(ben, ben_token, browser=his) == his
    assert again.num_drafted(again.seated(ben, his)) == 2
    with pytest.raises(InputError, match="your grades are in, and the link is spent. Thank you."):
        again.enter(ada, ada_token, browser=mine)
    assert not again.is_over()
    again.submit(again.seated(ben, his), file_of(sealed, "Ben"))
    assert again.is_over()
    assert [one.grader for one in read_graded(run_folder, sealed[0].bundle).grades] == ["Ada", "Ben"]
    assert list(run_folder.rglob("draft-*")) == []


def test_grades_are_checked_as_by_import(run_folder: Path, sealed: Sealed, invited: Invited) -> None:
    sittings = sit(run_folder, sealed, invited.seats)
    ada, token = next(iter(invited.tokens.items()))
    seat = sittings.seated(ada, sittings.enter(ada, token, browser=""))
    whole = file_of(sealed, "Ada")
    for data, sentence in (
        (b"{", "your grades:1: not valid JSON"),
        (b"[]", "this is no file of grades"),
        (whole.replace(b'"score": 6', b'"score": 11'), "the score is out of range"),
        (whole.replace(b'"bundle": "', b'"bundle": "x'), "these are grades of another bundle"),
        (file_of(sealed, "Ben"), "these are grades of somebody else"),
        (whole.replace(b'"person"', b'"judge"'), "the grades of a page are a person's"),
        (whole.replace(sealed[0].items[0].item.encode(), b"nothing"), "the bundle has no such item"),
    ):
        for put in (sittings.keep, sittings.submit):
            with pytest.raises(InputError, match=sentence):
                put(seat, data)
    with pytest.raises(InputError, match="20 of 22 items were not graded"):
        sittings.submit(seat, file_of(sealed, "Ada", count=2))
    assert [line["kind"] for line in read_ledger(run_folder)] == ["export"]
    assert sittings.draft(seat) is None
    assert not sittings.is_over()


@pytest.mark.parametrize("name", ["", "  ", "a" * 81, "a\x00b", "\ud800", "a\u202eb", "a\x1b[31mb"])
def test_a_name_that_cannot_be_printed_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="a grader's name cannot be used"):
        grader_name(name)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "<script>alert(1)</script>", "[red]x[/]", "O'Neil", "."]
)
def test_a_name_is_only_ever_text(run_folder: Path, sealed: Sealed, name: str) -> None:
    before = {path.name for path in run_folder.rglob("*")}
    invited = invite((), [f"  {name} ", name.upper()], until=HOUR)
    assert [one.grader for one in invited.seats] == [name], "the same person twice"
    sittings = sit(run_folder, sealed, invited.seats)
    seat, token = next(iter(invited.tokens.items()))
    seated = sittings.seated(seat, sittings.enter(seat, token, browser=""))
    sittings.keep(seated, file_of(sealed, name, count=1))
    assert {path.name for path in run_folder.rglob("*")} - before == {FILE, f"draft-{seat}.json"}
    assert sittings.submit(seated, file_of(sealed, name)).grader == name


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"version": 2, "seats": []}',
        b'{"version": 1, "seats": [{}]}',
        b'{"version": 1, "seats": [{"seat": "../../../key", "grader": "", "token_sha256": "", "until": 1}]}',
    ],
)
def test_damaged_invitations_are_named(tmp_path: Path, content: bytes) -> None:
    assert read_seats(tmp_path) == ()
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(RunError, match=r"invitations\.json: these are no invitations"):
        read_seats(tmp_path)


def test_nobody_of_that_name_can_be_renewed(invited: Invited) -> None:
    with pytest.raises(
        InputError, match=r"--renew: nobody of that name is invited \(found Cleo; expected one of Ada"
    ):
        invite(invited.seats, [], until=HOUR, renew=["Cleo"])
