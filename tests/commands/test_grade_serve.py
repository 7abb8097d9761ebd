"""`twosignal grade serve` as a process: invited, interrupted, killed, gone on with, and read by `grade report`."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.audits.grading.conftest import KNOWN, by_sort, drawn, grade_all
from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy
from twosignal.audits.grading.bundle import Key, seal
from twosignal.audits.grading.folder import publish
from twosignal.audits.grading.grades import Grades
from twosignal.audits.grading.page import grading_page

Server = subprocess.Popen[str]
Serve = Callable[..., tuple[Server, dict[str, Any]]]


@pytest.fixture
def run(toy: Toy, tmp_path: Path) -> Path:
    """A copy of the toy run with one bundle exported."""
    return Path(shutil.copytree(toy.path, tmp_path / toy.id))


@pytest.fixture
def key(run: Path, command: Command) -> Key:
    """What each text of the bundle is."""
    folder = Path(json.loads(command("grade", "export", run, "--json").out)["folder"])
    return Key.from_bytes((folder / "key.json").read_bytes(), where="key.json")


@pytest.fixture(scope="module")
def published(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the toy run with a bundle of other texts, to be left as it is."""
    copy = Path(shutil.copytree(toy.path, tmp_path_factory.mktemp("published") / toy.id))
    bundle, key = seal(drawn(), KNOWN)
    publish(copy, bundle, key, page=grading_page(bundle))
    return copy


@pytest.fixture
def serve(run: Path) -> Iterator[Serve]:
    """Starts servers, and gives each with what it said first."""
    started: list[Server] = []

    def start(*words: str) -> tuple[Server, dict[str, Any]]:
        command = [
            sys.executable,
            "-m",
            "twosignal",
            "grade",
            "serve",
            str(run),
            "--port",
            "0",
            "--json",
            *words,
        ]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        assert started[-1].stdout
        line = started[-1].stdout.readline()
        return started[-1], json.loads(line) if line else {}

    yield start
    for one in started:
        one.kill()
        one.communicate()


def post(address: str, body: bytes, *, cookie: str = "") -> tuple[int, str, dict[str, Any]]:
    """Return status, cookie and answer of something posted as our page would."""
    origin = "/".join(address.split("/")[:3])
    request = Request(address, data=body, headers={"origin": origin, "cookie": cookie})
    deadline = time.monotonic() + 30
    while True:
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers.get("set-cookie", "").split(";")[0], json.load(answer)
        except HTTPError as error:
            return error.code, "", json.load(error)
        except OSError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)


def entered(link: str) -> tuple[str, str]:
    """Return the address and the cookie of a grader who opened a link."""
    address, _, token = link.partition("#")
    status, cookie, told = post(f"{address}enter", token.encode())
    assert status == 200, told
    return address, cookie


def grades(key: Key, grader: str, *, count: int | None = None) -> bytes:
    whole = grade_all(key, by_sort(8), grader=grader)
    return Grades(bundle=key.bundle, grader=grader, rater="person", grades=whole.grades[:count]).to_bytes()


@pytest.mark.slow
def test_links_lead_to_a_report_through_a_kill_and_an_interruption(
    run: Path, key: Key, serve: Serve, command: Command
) -> None:
    server, told = serve("--graders", "Ada, Ben")
    assert [one["grader"] for one in told["graders"]] == ["Ada", "Ben"]
    seats = [entered(one["url"]) for one in told["graders"]]
    for (address, cookie), name in zip(seats, ("Ada", "Ben"), strict=True):
        assert post(f"{address}draft", grades(key, name, count=3), cookie=cookie)[0] == 200
    server.kill()
    server.wait()

    again, told = serve("--graders", "Ada,Ben,Cleo")
    assert [one["url"] is None for one in told["graders"]] == [True, True, False]
    assert [one["state"] for one in told["graders"]][:2] == ["3 of 20 texts graded, not submitted"] * 2
    moved = [(told["url"] + address.split("/", 3)[3], cookie) for address, cookie in seats]
    moved.append(entered(told["graders"][2]["url"]))
    code, _, sentence = post(f"{moved[0][0]}submit", grades(key, "Ada", count=3), cookie=moved[0][1])
    assert (code, sentence["error"]) == (400, "17 of 20 items were not graded")
    for (address, cookie), name in zip(moved[:2], ("Ada", "Ben"), strict=True):
        assert post(f"{address}submit", grades(key, name), cookie=cookie)[2] == {"grades": 20}
    again.send_signal(signal.SIGINT)
    out, err = again.communicate(timeout=30)
    assert again.returncode == 130
    ended = [(one["grader"], one["grades"]) for one in json.loads(out)["graders"]]
    assert ended == [("Ada", 20), ("Ben", 20), ("Cleo", 0)]
    assert "Ada submitted 20 grades" in err
    assert "Traceback" not in err

    last, told = serve()
    address = told["url"] + moved[2][0].split("/", 3)[3]
    assert post(f"{address}submit", grades(key, "Cleo"), cookie=moved[2][1])[0] == 200
    last.communicate(timeout=30)
    assert last.returncode == 0, "all grades are in"
    report = json.loads(command("grade", "report", run, "--json").out)
    assert report["signals"]["num_graders"] == 3
    assert report["means"] == {"broken": 1.0, "sound": 9.0, "sample": 8.0}
    assert command("grade", "serve", run).code == 0, "there is nobody left to wait for"


def test_two_servers_of_one_bundle_do_not_meet(run: Path, key: Key, serve: Serve, command: Command) -> None:
    serve("--invite", "2")
    assert "another process is writing" in command("grade", "serve", run, "--port", "0").sentence
    assert f"grading/{key.bundle}" in command("grade", "serve", run, "--port", "0").sentence


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "nobody is invited (expected --graders Ada,Ben,Cleo or --invite 3)"),
        (("--graders", "Ada,,Ben"), "a grader's name cannot be used (found ''"),
        (("--graders", "a\x1b[0m"), "a grader's name cannot be used"),
        (("--graders", "Ada", "--renew", "Cleo"), "nobody of that name is invited (found Cleo"),
        (("--graders", "Ada", "--invite", "2"), "not allowed with argument"),
        (("--invite", "0"), "argument --invite: found '0'"),
        (("--invite", "1001"), "too many graders are invited"),
        (("--graders", "Ada", "--hours", "nan"), "argument --hours: found 'nan'"),
        (("--graders", "Ada", "--hours", "9000"), "expected at most 8760, a year"),
        (("--graders", "Ada", "--host", "203.0.113.9"), "cannot listen there"),
        (("--graders", "Ada", "--bundle", "zz"), "there is no such bundle"),
    ],
)
def test_mistakes_are_one_sentence(
    published: Path, command: Command, words: tuple[str, ...], complaint: str
) -> None:
    ended = command("grade", "serve", published, "--port", "0", *words)
    assert ended.code == 2
    assert complaint in ended.sentence
    assert list(published.rglob("invitations.json")) == []
