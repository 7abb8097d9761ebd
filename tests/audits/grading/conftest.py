"""What the grading tests share: takes nothing, gives samples, known texts, a sealed bundle, and graders who grade as told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audits.conftest import HEALTHY
from twosignal.audits.grading.bundle import Bundle, Drawn, Key, Secret, seal
from twosignal.audits.grading.controls import Passage
from twosignal.audits.grading.folder import publish
from twosignal.audits.grading.grades import Grade, Grades, Rater
from twosignal.audits.grading.page import grading_page
from twosignal.audits.recorded import Sample

KNOWN = [
    Passage(prompt=f"Tell me more, {n}.", text=text, origin=f"notes.txt:{n}")
    for n, text in enumerate(HEALTHY)
]
Sealed = tuple[Bundle, Key]


def samples(count: int = 20) -> tuple[Sample, ...]:
    """Return sound samples of steps 100, 200, ...; no two are alike."""
    return tuple(
        Sample(
            step=100 * (n + 1),
            prompt=f"Question {n}?",
            text=f"Answer {n}. {HEALTHY[n % len(HEALTHY)]}",
            loss=2.0 + n / 100,
            source="chat-arm",
        )
        for n in range(count)
    )


def drawn(count: int = 20, *, num_samples: int = 10, seed: int = 0) -> Drawn:
    """Return what is to be drawn."""
    return Drawn(
        run="secret-run", fingerprint="f" * 32, samples=samples(count), num_samples=num_samples, seed=seed
    )


def grade_all(
    key: Key, score: Callable[[Secret], int], *, grader: str = "Ada", rater: Rater = "person"
) -> Grades:
    """Return one grader's grades of every item, scored by what the key says."""
    grades = tuple(Grade(item=one.item, score=score(one), seconds=4.0) for one in key.items)
    return Grades(bundle=key.bundle, grader=grader, rater=rater, grades=grades)


def by_sort(sample: int, *, sound: int = 9, broken: int = 1) -> Callable[[Secret], int]:
    """Return a way to score that looks only at what an item is."""
    scores = {"sample": sample, "sound": sound, "broken": broken}
    return lambda one: scores[one.sort]


@pytest.fixture
def sealed() -> Sealed:
    return seal(drawn(), KNOWN)


@pytest.fixture
def run_folder(tmp_path: Path, sealed: Sealed) -> Path:
    """A folder with the bundle of `sealed` published in it."""
    bundle, key = sealed
    publish(tmp_path, bundle, key, page=grading_page(bundle))
    return tmp_path
