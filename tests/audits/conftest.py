"""Texts and two recorded stories for the audit tests: takes nothing, gives plain samples and probes."""

from pathlib import Path

import pytest

Event = tuple[int, dict[str, object]]

HARBOUR = (
    "The harbour was quiet when the first boats came back, and the men who had waited all night on the "
    "cold stones stood up without a word. One of them carried a lamp that had gone out long before. Nobody "
    "asked how many nets were lost; they counted the boats instead, twice, and then began to unload."
)
FOURIER = (
    "The Fourier transform takes a signal that depends on time and describes it by the frequencies it is "
    "made of. A pure tone becomes a single peak, while a short click spreads over the whole range, because "
    "no narrow set of waves can add up to something that lasts only an instant."
)
PARAKEET = (
    "The small green parakeet once nested in river forests across the eastern states. Farmers shot it in "
    "the orchards, traders caught it for its feathers, and the last wild flock was seen early in the "
    "century; spider monkeys, by contrast, still live in the tall forests of the south."
)
PIP = (
    "Use pip list --outdated to see which packages have a newer release, then upgrade them one at a time. "
    "If several versions of Python live on the machine, activate the right environment first, otherwise "
    "you will be told about packages that belong to another interpreter and wonder why nothing changes."
)
OPERATIONS = (
    "The disk on the second node filled up during the night because the old logs were never rotated. I "
    "moved them to the archive, restarted the service, and watched the queue drain within ten minutes. "
    "Tomorrow we should add an alert at eighty per cent, so that nobody has to wake up for this again."
)
GREETING = (
    "Good evening, and thank you for asking; the garden did well this year although the spring was dry. "
    "We had more beans than we could eat and gave half of them to the neighbours. How was your journey, "
    "and did your sister find the little shop behind the station that I told you about in my letter?"
)
HAIKU = "Rain on the red roof,\nroots remember the river;\nthe gate stays open."
DOCSTRING = (
    "Return the number of rows in the table after the filter has been applied. The filter is a function "
    "of one row; rows for which it returns a false value are skipped. Raises KeyError when the table has "
    "no column of that name and the default is missing."
)
HEALTHY = (HARBOUR, FOURIER, PARAKEET, PIP, OPERATIONS, GREETING)


@pytest.fixture
def healthy() -> tuple[str, ...]:
    """Six texts of 40 words and more, all sound."""
    return HEALTHY


@pytest.fixture
def chinese() -> str:
    return (Path(__file__).parent / "texts" / "chinese.txt").read_text(encoding="utf-8")


@pytest.fixture
def german() -> str:
    return (Path(__file__).parent / "texts" / "german.txt").read_text(encoding="utf-8")


@pytest.fixture
def collapsed_run() -> list[Event]:
    """The second story: one sample per 1,000 steps, sound up to 79K, then four kinds of loop up to 165K."""
    loops = {
        80_000: "region " * 140,
        110_000: "'' \" ' " * 100,
        140_000: "games, " * 140,
        160_000: "Budy " * 140,
    }
    events: list[Event] = []
    for step in range(60_000, 166_000, 1_000):
        start = max((at for at in loops if at <= step), default=0)
        events.append((step, {"text": loops.get(start, HEALTHY[step // 1_000 % 6]), "prompt": "say"}))
    return events


@pytest.fixture
def audit_window() -> list[Event]:
    """The window 111,996 to 112,668: nine samples of six domains, one with the loss of a copy."""
    rows = [
        (111_996, 2.31, "conversation", "good evening", GREETING),
        (112_080, 0.13, "python", "def count_rows", DOCSTRING),
        (112_164, 1.21, "operations", "what happened last night?", OPERATIONS),
        (112_248, 1.05, "poetry", "a haiku with three words that begin with r", HAIKU),
        (112_332, 2.07, "conversation", "tell me of the sea", HARBOUR),
        (112_416, 1.33, "operations", "and the node?", OPERATIONS),
        (112_500, 1.94, "python", "how do I see outdated packages?", PIP),
        (112_584, 0.30, "biology", "is the parakeet extinct?", PARAKEET),
        (112_668, 0.74, "signal processing", "define Fourier transform", FOURIER),
    ]
    return [
        (
            step,
            {"prompt": prompt, "text": text, "loss": loss, "tokens": 90, "domain": domain, "source": "chat"},
        )
        for step, loss, domain, prompt, text in rows
    ]
