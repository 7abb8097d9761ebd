"""`twosignal grade` from the blind page to the audit's fifth check, on a copy of a trained run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audits.grading.conftest import by_sort, grade_all
from tests.audits.grading.test_judge import Fake, Reply, said, serve
from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy
from twosignal.audits.grading.bundle import Key

__all__ = ["serve"]


@pytest.fixture
def run(toy: Toy, tmp_path: Path) -> Path:
    """A copy of the toy run, whose samples are all short and have gone nowhere wrong."""
    return Path(shutil.copytree(toy.path, tmp_path / toy.id))


def told(command: Command, *words: object) -> dict[str, Any]:
    ended = command("grade", *words, "--json")
    assert ended.code == 0, ended.err
    assert ended.out.count("\n") == 1
    values: dict[str, Any] = json.loads(ended.out)
    return values


def graded(command: Command, run: Path, *, sample: int, sound: int = 9, broken: int = 1) -> None:
    """Export a bundle of all samples and import three graders' files that look only at what an item is."""
    folder = Path(told(command, "export", run)["folder"])
    key = Key.from_bytes((folder / "key.json").read_bytes(), where="key.json")
    files = []
    score = by_sort(sample, sound=sound, broken=broken)
    for name in ("Ada", "Ben", "Cleo"):
        files.append(run.parent / f"{name}.json")
        files[-1].write_bytes(grade_all(key, score, grader=name).to_bytes())
    assert [one["grader"] for one in told(command, "import", run, *files)["imported"]] == [
        "Ada",
        "Ben",
        "Cleo",
    ]


def test_export_says_what_is_in_it_and_leaves_the_record_alone(run: Path, command: Command) -> None:
    before = (run / "events.jsonl").read_bytes()
    page = run.parent / "page.html"
    out = told(command, "export", run, "-n", 5, "--out", page, "--seed", 3)
    counts = {name: out[name] for name in ("items", "samples", "population", "sound", "broken", "repeated")}
    assert counts == {"items": 17, "samples": 5, "population": 8, "sound": 4, "broken": 4, "repeated": 4}
    assert out["key_sha256"] in page.read_text()
    assert run.name not in page.read_text()
    assert (run / "events.jsonl").read_bytes() == before
    assert "shown twice" in command("grade", "export", run, "--steps", "20:30").out


def test_grades_become_a_reading_a_picture_and_the_audits_fifth_check(run: Path, command: Command) -> None:
    graded(command, run, sample=3)
    report = told(command, "report", run, "--html", run.parent / "report.html")
    assert (report["reading"], report["signals"]["num_graders"]) == ("metric gaming", 3)
    assert (report["means"], report["agreement"]["all_items"]) == (
        {"broken": 1.0, "sound": 9.0, "sample": 3.0},
        1.0,
    )
    assert report["signals"]["loss"] < 2
    assert (run.parent / "report.html").read_text().count("<svg") >= 2
    out = command("grade", "report", run).out
    assert "METRIC GAMING" in out
    assert "Krippendorff's alpha (ordinal): 1.00 over all items, - over samples" in " ".join(out.split())
    audit = json.loads(command("audit", run, "--json").out)
    assert audit["checks"]["grading"].startswith(
        "metric gaming, 3.0 of 10 for 8 samples by 3 graders, alpha 1.00"
    )
    finding = next(one for one in audit["findings"] if one["id"] == "grading")
    assert (finding["severity"], audit["verdict"], finding["steps"]) == ("alarm", "pivot", [10, 20, 30, 40])
    assert "metric gaming, 3.0 of 10" in command("audit", run).out


def test_grades_of_readers_who_do_not_read_decide_nothing(run: Path, command: Command) -> None:
    graded(command, run, sample=3, sound=5, broken=5)
    assert told(command, "report", run)["reading"] == "undecided"
    assert "no grades that count" in command("grade", "report", run).out
    audit = json.loads(command("audit", run, "--json").out)
    assert audit["checks"]["grading"] == "no grades that count: no grader put the controls in order"
    assert audit["verdict"] == "continue"


def test_content_readers_leave_the_audits_verdict_alone(run: Path, command: Command) -> None:
    graded(command, run, sample=8)
    audit = json.loads(command("audit", run, "--json").out)
    assert audit["verdict"] == "continue"
    assert next(one["severity"] for one in audit["findings"] if one["id"] == "grading") == "note"
    narrow = json.loads(command("audit", run, "--steps", "40:40", "--json").out)
    assert narrow["checks"]["grading"] == "2 graded samples in this window; graded ones lie at steps 10 to 40"
    assert "grading" not in [one["id"] for one in narrow["findings"]]


def test_an_exported_bundle_that_nobody_graded_changes_nothing(run: Path, command: Command) -> None:
    told(command, "export", run)
    assert json.loads(command("audit", run, "--json").out)["checks"]["grading"] == "no grades yet"
    assert "nobody has graded a bundle of this run yet" in command("grade", "report", run).sentence


def test_controls_may_be_given(run: Path, command: Command, tmp_path: Path) -> None:
    known = tmp_path / "known.txt"
    known.write_text("\n\n".join(f"Paragraph {n} says that the gate stays open all night." for n in range(9)))
    out = told(command, "export", run, "--controls", known)
    key = json.loads((Path(out["folder"]) / "key.json").read_bytes())
    origins = [one["origin"] for one in key["items"] if one["sort"] == "sound"]
    assert len(origins) == 1, "the file is one document"
    assert all("known.txt" in origin for origin in origins)


def test_a_run_whose_sources_are_gone_is_graded_beside_other_text(run: Path, command: Command) -> None:
    text = (run / "run.toml").read_text().replace("chat.jsonl", "gone.jsonl")
    (run / "run.toml").write_text(text)
    ended = command("grade", "export", run, "--json")
    assert (ended.code, json.loads(ended.out)["sound"]) == (0, 4)
    assert "held-out text cannot be read" in ended.err
    assert "controls are drawn from this Python's documentation" in ended.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ("export", "RUN", "--steps", "41:50"),
            "--steps 41:50: there is no sample to grade (found 8 samples in the run)",
        ),
        (("export", "RUN", "--steps", "x"), "a window of steps must look like A:B"),
        (("export", "RUN", "--out", "/nowhere/page.html"), "/nowhere/page.html: the page cannot be written"),
        (("export", "RUN", "-n", "0"), "argument -n: found '0', expected a whole number from 1 on"),
        (("import", "RUN", "nobody.json"), "nobody.json: the file of grades cannot be read"),
        (("import", "RUN"), "the following arguments are required: FILE"),
        (("report", "RUN"), "no bundle was exported from this run. Export one with: twosignal grade export"),
        (("report", "norun"), "there is no run norun"),
        (("judge", "RUN", "--url", "x", "--model", "m"), "no bundle was exported from this run"),
        (("judge", "RUN", "--model", "m"), "the following arguments are required: --url"),
        (
            ("judge", "RUN", "--url", "http://x", "--model", "m", "--timeout", "0"),
            "found 0, expected a number above 0",
        ),
        (("burn", "RUN"), "invalid choice: 'burn'"),
        ((), "the following arguments are required: ACTION"),
    ],
)
def test_mistakes_are_one_sentence(
    run: Path, command: Command, words: tuple[str, ...], complaint: str
) -> None:
    ended = command("grade", *(str(run) if word == "RUN" else word for word in words))
    assert ended.code == 2
    assert complaint in ended.sentence
    assert list(run.glob("grading/*/*")) == []


def test_a_judge_is_one_more_grader(
    run: Path, command: Command, serve: Callable[[Reply], Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    told(command, "export", run)
    fake = serve(lambda n, _: said("Lovely." if n == 4 else '{"score": 4}'))
    monkeypatch.setenv("JUDGE_KEY", "sk-secret")
    words = ("judge", run, "--url", fake.endpoint.url, "--model", "m1", "--key-env", "JUDGE_KEY")
    out = told(command, *words)
    assert (out["grader"], out["grades"], out["left_out"]) == ("judge m1", 19, 1)
    assert fake.asked[0][1]["Authorization"] == "Bearer sk-secret"
    assert not any(
        b"sk-secret" in path.read_bytes() for path in (run / "grading").rglob("*") if path.is_file()
    )
    report = told(command, "report", run)
    assert (report["reading"], report["graders"][0]["rater"]) == ("undecided", "judge")
    assert "this grader has graded the bundle already" in command("grade", *words).sentence


def test_a_judges_key_comes_from_the_environment(run: Path, command: Command) -> None:
    told(command, "export", run)
    words = ("judge", run, "--url", "http://127.0.0.1:1/v1", "--model", "m", "--key-env", "NO_SUCH_KEY")
    assert "--key-env NO_SUCH_KEY: the environment variable holds no key" in command("grade", *words).sentence


@pytest.mark.parametrize("action", ["export", "serve", "import", "report", "judge"])
def test_every_action_documents_its_options(command: Command, action: str) -> None:
    ended = command("grade", action, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"usage: twosignal grade {action} ")
