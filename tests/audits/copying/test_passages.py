"""Matches of a text: characters and bytes, lines, tokens, and what the whole means."""

from pathlib import Path

from tests.audits.copying.corpus import document, index_of, letters
from twosignal.audits.copying import trace
from twosignal.text.conversation import Conversation, Message, Origin, ToolCall

PROSE = (
    "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse, and "
    "nothing particular to interest me on shore, I thought I would sail about a little and see the watery part "
    "of the world. It is a way I have of driving off the spleen and regulating the circulation."
)


def test_a_copy_is_named_with_its_place(tmp_path: Path) -> None:
    lines = [letters(30, seed=n) for n in range(9)]
    book = document("\n".join([*lines, PROSE, *lines[::-1]]), file="moby.txt", line=3, source="novels")
    index = index_of(tmp_path / "index", [document("no", file="a.txt", source="novels"), book])
    traced = trace(index, "He said: " + PROSE[17:] + " And so on.")
    (match,) = traced.matches
    assert match.text == PROSE[16:]  # the blank before the copy is the same in both
    assert (match.source, match.file, match.line, match.document) == ("novels", "moby.txt", 12, 2)
    assert (match.bytes, match.tokens) == (len(match.text), len(match.text) // 4)
    assert (match.occurrences, match.repetitive) == (1, False)
    assert (traced.verdict, traced.longest_tokens) == ("memorized", match.tokens)


def test_records_keep_their_line_whatever_they_hold(tmp_path: Path) -> None:
    text = letters(40, seed=1) + "\n\n" + PROSE
    index = index_of(tmp_path / "index", [document(text, file="chat.jsonl", line=77)])
    assert trace(index, PROSE).matches[0].line == 77


def test_a_leading_line_end_does_not_move_the_line(tmp_path: Path) -> None:
    index = index_of(tmp_path / "index", [document("first\n\n" + PROSE, file="a.txt")])
    match = trace(index, "other\n\n" + PROSE).matches[0]
    assert (match.text[:2], match.line) == ("\n\n", 3)


def test_tokens_are_counted_where_they_can_be(tmp_path: Path) -> None:
    """19 words in a row are nothing yet, 49 are suspect, 50 are a copy."""
    words = PROSE.split()
    index = index_of(tmp_path / "index", [PROSE])

    def count(text: str) -> int:
        return len(text.split())

    for number, verdict in ((19, "novel"), (20, "suspect"), (49, "suspect"), (50, "memorized")):
        sample = "#####" + " ".join(words[:number]) + "#####"
        traced = trace(index, sample, count_tokens=count)
        assert traced.verdict == verdict, number
        assert traced.longest_tokens == number


def test_offsets_are_characters_and_no_character_is_cut(tmp_path: Path) -> None:
    """Beside the copy stand characters that share their first, or their last, bytes with those of the text."""
    core = "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3067\u3059\u3002" * 3 + "".join(
        map(chr, range(0x4E10, 0x4E70))
    )
    index = index_of(tmp_path / "index", ["\u4e00" + core + "\u4e00 and more"])
    text = "\u00e9\u4e01" + core + "\u4e02"
    (match,) = trace(index, text).matches
    assert (match.start, match.end) == (2, 2 + len(core))
    assert text[match.start : match.end] == match.text == core
    assert match.bytes == len(core.encode())


def test_text_that_is_not_whole_unicode_can_be_traced(tmp_path: Path) -> None:
    index = index_of(tmp_path / "index", ["\ud800" + PROSE])
    (match,) = trace(index, "\udfff" + PROSE).matches
    assert match.text == PROSE


def test_a_ruled_line_is_listed_and_no_evidence(tmp_path: Path) -> None:
    index = index_of(tmp_path / "index", ["x" + "-" * 300 + "y"])
    traced = trace(index, letters(900, seed=1) + "-" * 250 + letters(900, seed=2))
    assert [(one.bytes, one.repetitive) for one in traced.matches] == [(250, True)]
    assert (traced.verdict, traced.longest, traced.longest_tokens) == ("novel", None, 0)


def test_a_loop_is_repetitive_even_if_it_stands_in_the_text(tmp_path: Path) -> None:
    loop = "the region of the " * 60
    index = index_of(tmp_path / "index", [loop])
    assert trace(index, loop, loss=0.05).verdict == "repetitive"


def test_low_loss_without_a_copy_is_predictable(tmp_path: Path) -> None:
    index = index_of(tmp_path / "index", [PROSE])
    assert trace(index, letters(300, seed=1), loss=0.05).verdict == "predictable"
    assert trace(index, letters(300, seed=1), loss=1.5).verdict == "novel"
    assert trace(index, PROSE, loss=1.5).verdict == "memorized"


def test_everything_a_conversation_teaches_is_indexed(tmp_path: Path) -> None:
    said, thought, asked, arguments = (letters(90, seed=n) for n in range(4))
    call = ToolCall(name="find", arguments=arguments)
    messages = (
        Message(role="user", content=asked),
        Message(role="assistant", content=said, reasoning=thought, tool_calls=(call,)),
    )
    chat = Conversation(messages=messages, origin=Origin(source="chat", file="c.jsonl", line=5))
    index = index_of(tmp_path / "index", [chat])
    for text in (said, thought, asked, arguments):
        assert [(one.bytes, one.line) for one in trace(index, text).matches] == [(90, 5)]
    assert len(trace(index, asked + said).matches) == 2


def test_a_record_keeps_the_three_longest_without_their_text(tmp_path: Path) -> None:
    parts = [letters(100 + 10 * n, seed=n) for n in range(5)]
    index = index_of(tmp_path / "index", parts)
    traced = trace(index, "###".join(parts))
    kept = traced.recorded()
    assert [one["bytes"] for one in kept["matches"]] == [140, 130, 120]
    assert all("text" not in one for one in kept["matches"])
    assert (kept["num_matches"], kept["longest_bytes"], kept["verdict"]) == (5, 140, "suspect")
    assert [one["bytes"] for one in traced.as_dict()["matches"]] == [100, 110, 120, 130, 140]
    assert traced.as_dict()["matches"][0]["text"] == parts[0]
