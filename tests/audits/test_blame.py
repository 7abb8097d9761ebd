"""Which source bad texts come from, what is remembered of texts, and what counts as news."""

from typing import Any

import pytest

from twosignal.audits.blame import blame
from twosignal.audits.finding import Finding
from twosignal.audits.news import News
from twosignal.audits.recent import SAMPLINGS, RecentText, RecentTexts

SOURCES = ("books", "chat", "logs")
PROSE = (
    "The ship came into the harbour at dawn, and the men who had waited there all night went down to the water "
    "to see what it had brought from the islands beyond the strait."
)


def text(
    source: str, *, bad: bool = True, stands_in: str = "", copied: bool = False, step: int = 1
) -> RecentText:
    verdict = "memorized" if copied else "repetitive"
    record = {"verdict": verdict, "matches": [{"source": stands_in}]} if stands_in else None
    return RecentText(
        step=step, source=source, is_degenerate=bad, loss=1.0, opening="games, games", copied=record
    )


def test_loops_that_stand_in_a_source_are_blamed_on_it_whatever_was_asked() -> None:
    texts = [text("chat", stands_in="logs"), text("books", stands_in="logs"), text("chat")]
    found = blame(texts, SOURCES)
    assert found is not None
    assert found.source == "logs"
    assert found.reason == "2 of 3 looping or copied texts since step 1 stand in logs"
    assert found.evidence == {"source": "logs", "texts": 2, "bad": 3, "standing_in_it": 2}


def test_a_copy_is_bad_though_it_reads_well() -> None:
    copies = [text("chat", bad=False, stands_in="books", copied=True)] * 2
    found = blame([*copies, text("chat", bad=False)], SOURCES)
    assert found is not None
    assert found.source == "books"


def test_prompts_alone_are_blamed_only_where_they_fare_twice_as_badly() -> None:
    """A rotten model answers every prompt badly: then it is nobody's fault."""
    everything = [text("chat"), text("chat"), text("chat"), text("books"), text("logs")]
    assert blame(everything, SOURCES) is None
    one_sided = [text("chat"), text("chat"), text("books", bad=False), text("logs", bad=False)]
    found = blame(one_sided, SOURCES)
    assert found is not None
    assert found.source == "chat"
    assert blame([text("chat"), text("chat")], SOURCES) is None, (
        "with one kind of prompt there is no comparison"
    )


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [text("chat", stands_in="logs")],
        [text("chat", stands_in="logs"), text("chat", stands_in="books")],
        [text("chat", bad=False, stands_in="logs")] * 4,
        [text("prompts", stands_in="unknown")] * 4,
    ],
    ids=["nothing", "one text", "no majority", "sound texts", "no such source"],
)
def test_nothing_is_blamed_without_a_majority_of_bad_texts(texts: list[RecentText]) -> None:
    assert blame(texts, SOURCES) is None


def bodies(*texts: str) -> list[dict[str, Any]]:
    return [{"text": one, "prompt": "", "source": "chat", "loss": 1.0, "copied": None} for one in texts]


def test_the_texts_of_five_samplings_are_remembered_and_go_through_plain_data() -> None:
    recent = RecentTexts()
    for step in range(10, 80, 10):
        recent = recent.after(step, bodies(PROSE, "region " * 60))
    assert sorted({one.step for one in recent.texts}) == [30, 40, 50, 60, 70]
    assert len(recent.texts) == 2 * SAMPLINGS
    assert [one.is_degenerate for one in recent.texts[-2:]] == [False, True]
    assert all(len(one.opening) <= 60 for one in recent.texts)
    assert RecentTexts.restore(recent.state()) == recent


@pytest.mark.parametrize(
    ("texts", "expected"),
    [((PROSE, PROSE), False), (("region " * 60, PROSE), False), (("region " * 60,), True), (("yes",), False)],
)
def test_most_judged_texts_of_the_newest_sampling_decide(texts: tuple[str, ...], expected: bool) -> None:
    recent = RecentTexts().after(1, bodies("region " * 60, "region " * 60)).after(2, bodies(*texts))
    assert recent.has_degenerate is expected
    assert RecentTexts().has_degenerate is False


def finding(identity: str, *steps: int, **evidence: object) -> Finding:
    return Finding(id=identity, severity="note", message="", steps=steps, evidence=evidence)


def test_a_finding_is_news_once_and_again_when_it_has_lasted_half_as_long_again() -> None:
    news, new = News().after(100, [finding("plateau", 50, 100)])
    assert [one.id for one in new] == ["plateau"]
    news, new = news.after(140, [finding("plateau", 50, 140), finding("copied-text", 140, source="a")])
    assert [one.id for one in new] == ["copied-text"]
    news, new = news.after(150, [finding("plateau", 50, 150), finding("copied-text", 150, source="b")])
    assert [(one.id, one.steps[-1]) for one in new] == [("plateau", 150), ("copied-text", 150)]
    assert News.restore(news.state()) == news


def test_the_curve_is_looked_at_about_240_times_in_200000_steps() -> None:
    news, looks = News(), 0
    for step in range(10, 200_001, 10):
        if news.is_due(step):
            looks += 1
            news, _ = news.after(step, [])
    assert 100 < looks < 250
