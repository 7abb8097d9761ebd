import os
from pathlib import Path

import pytest

from tests.dashboard.conftest import begin, finish, rolled_back, sample, tell
from twosignal.dashboard.tail import EventTail
from twosignal.dashboard.view import RunView
from twosignal.errors import RunError


def kinds(tail: EventTail) -> list[str]:
    return [line.kind for line in tail.lines]


def test_only_whole_lines_are_there_and_a_torn_one_comes_when_it_is_whole(runs_dir: Path) -> None:
    folder = finish(begin(runs_dir), 0)
    path = folder / "events.jsonl"
    whole = path.read_bytes()
    tail = EventTail(path=path)
    for cut in range(len(whole) - 60, len(whole)):
        path.write_bytes(whole[:cut])
        tail.refresh()
        assert kinds(tail) == ["start"]
    path.write_bytes(whole)
    tail.refresh()
    assert kinds(tail) == ["start", "end"]
    assert tail.event(1).body["state"] == "finished"


def test_what_is_appended_is_read_once_and_lone_surrogates_come_back(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = begin(runs_dir)
    tail = EventTail(path=writer.path / "events.jsonl")
    tail.refresh()
    places: list[int] = []
    read = os.pread

    def noted(descriptor: int, size: int, place: int) -> bytes:
        places.append(place)
        return read(descriptor, size, place)

    monkeypatch.setattr(os, "pread", noted)
    writer.append(sample(5, "broken \ud800 half"))
    tail.refresh()
    assert min(places) == tail.lines[1].place > 0
    assert tail.event(1).body["text"] == "broken \ud800 half"
    writer.close()


def test_a_replaced_file_is_read_anew(runs_dir: Path) -> None:
    folder = finish(begin(runs_dir), 0)
    tail = EventTail(path=folder / "events.jsonl")
    tail.refresh()
    header = (folder / "events.jsonl").read_bytes().split(b"\n")[0]
    (folder / "new").write_bytes(header + b"\n")
    (folder / "new").replace(folder / "events.jsonl")
    tail.refresh()
    assert tail.lines == []


@pytest.mark.parametrize(
    "text", [b"", b"not json\n", b'{"other":1}\n', b'{"twosignal":"records","version":1}\n[]\n']
)
def test_what_is_no_record_is_a_sentence(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(text)
    tail = EventTail(path=path)
    if text:
        with pytest.raises(RunError, match="cannot be read"):
            tail.refresh()
    else:
        tail.refresh()
        assert tail.lines == []


def test_forks_say_which_lines_count(runs_dir: Path) -> None:
    view = RunView.of(rolled_back(runs_dir))
    view.refresh()
    texts = [str(event.body["text"]) for event in view.notes.events("sample", view.track())]
    assert texts[1:] == ["Right this time."]
    before = [str(event.body["text"]) for event in view.notes.events("sample", view.track(0))]
    assert before[1:] == ["Gone wrong, and thrown away."]
    with pytest.raises(IndexError):
        view.track(2)


def test_steps_of_a_run_without_any_are_none(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    view = RunView.of(writer.path)
    view.refresh()
    assert view.track().count == 0
    tell(writer, {1: 2.0})
    writer.close()
    view.refresh()
    assert view.track().count == 1
