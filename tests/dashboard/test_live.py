import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.dashboard.conftest import begin, finish, sample, tell
from twosignal.dashboard import live
from twosignal.dashboard.app import dashboard_app
from twosignal.dashboard.guard import Door
from twosignal.dashboard.live import Cursor, House, Scene
from twosignal.dashboard.view import RunView
from twosignal.errors import InputError


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)


def parsed(message: bytes) -> dict[str, Any]:
    head, kind, data = message.decode().strip().split("\n")
    assert kind == "event: update"
    update: dict[str, Any] = json.loads(data.removeprefix("data: "))
    assert head == f"id: {update['cursor']}"
    return update


async def next_of(stream: AsyncIterator[bytes]) -> dict[str, Any]:
    return parsed(await asyncio.wait_for(anext(stream), 30))


def test_only_what_is_new_is_sent_and_what_was_missed_is_made_up(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    tell(writer, dict.fromkeys(range(1, 11), 2.0))
    view = RunView.of(writer.path)
    scene = Scene(view.id, ("loss", "coherence"), 4)

    async def watch() -> None:
        house = House()
        stream = house.watch(view, scene, at=Cursor(0, 6, 1))
        first = await next_of(stream)
        # Rows 0 to 5 were known: bucket 1 was not full.
        assert (first["from"], first["steps"], first["rows"]) == (1, [8, 10], 10)
        assert first["series"]["loss"]["last"] == [2.0, 2.0]
        tell(writer, {11: 7.0})
        writer.append(sample(11))
        news = await next_of(stream)
        while news["samples"] == 0:
            news = await next_of(stream)
        assert news["series"]["loss"]["max"][-1] == 7.0
        assert news["series"]["coherence"]["last"] == [60.0]
        assert news["new_events"][-1] == {"number": 1, "kind": "sample", "step": 11}
        assert news["restart"] is False
        await stream.aclose()  # type: ignore[attr-defined]
        assert house.num_viewers == 0
        assert house.audiences == {}

    asyncio.run(watch())
    writer.close()


def test_a_roll_back_asks_viewers_to_begin_anew(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    tell(writer, {1: 2.0})
    cursor = writer.cursor()
    tell(writer, {2: 9.0})
    view = RunView.of(writer.path)

    async def watch() -> None:
        stream = House().watch(view, Scene(view.id, ("loss",), 1), at=None)
        await next_of(stream)
        writer.rewind(cursor, replay=False)
        news = await next_of(stream)
        assert news["restart"] is True
        assert news["series"] == {}
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(watch())
    writer.close()


def test_viewers_of_the_same_scene_share_every_message(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    view = RunView.of(writer.path)
    scene = Scene(view.id, ("loss",), 1)

    async def watch() -> None:
        house = House()
        streams = [house.watch(view, scene, at=None) for _ in range(50)]
        await asyncio.gather(*(anext(stream) for stream in streams))
        assert len(house.audiences) == 1
        tell(writer, {1: 2.0})
        messages = await asyncio.wait_for(asyncio.gather(*(anext(stream) for stream in streams)), 30)
        assert len({id(message) for message in messages}) == 1
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(watch())
    writer.close()


def test_who_falls_behind_is_sent_away(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    view = RunView.of(writer.path)
    audience = live.Audience(view=view, scene=Scene(view.id, ("loss",), 1))
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=2)
    audience.queues.add(queue)
    for number in range(3):
        audience._tell(b"%d" % number)
    assert audience.queues == set()
    assert [queue.get_nowait(), queue.get_nowait()] == [b"1", None]
    writer.close()


@pytest.mark.parametrize("text", ["", "1.2", "a.b.c", "1.2.3.4", "-1.2.3", "1.2.99999999999999999"])
def test_a_cursor_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        Cursor.parse(text)


def test_the_stream_has_its_own_limits(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finish(begin(runs_dir), 0).name
    client = TestClient(dashboard_app(runs_dir, door=Door()), base_url="http://127.0.0.1")
    assert client.head(f"/api/runs/{run}/live").headers["content-type"].startswith("text/event-stream")
    assert client.get(f"/api/runs/{run}/live?cursor=x").status_code == 400
    assert client.get("/api/runs/none/live").status_code == 404
    monkeypatch.setattr("twosignal.dashboard.routes.MOST_VIEWERS", 0)
    assert client.get(f"/api/runs/{run}/live").status_code == 503
