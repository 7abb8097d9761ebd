"""A bundle tells graders nothing, and its key cannot be another one afterwards."""

import json
from collections import Counter

import pytest

from tests.audits.grading.conftest import KNOWN, Sealed, drawn, samples
from twosignal.audits.grading.bundle import Bundle, Key, seal, sha256
from twosignal.errors import RunError


def test_it_holds_samples_controls_and_repeats(sealed: Sealed) -> None:
    bundle, key = sealed
    assert [one.item for one in bundle.items] == [one.item for one in key.items]
    assert len({one.item for one in bundle.items}) == len(bundle.items)
    assert Counter(one.sort for one in key.items if not one.repeats) == {
        "sample": 10,
        "sound": 4,
        "broken": 4,
    }
    texts = {one.item: (one.prompt, one.text) for one in bundle.items}
    repeats = [one for one in key.items if one.repeats]
    assert len(repeats) == 4
    for one in repeats:
        assert texts[one.item] == texts[one.repeats]
    known = {sample.text: sample for sample in samples()}
    for secret in (one for one in key.items if one.sort == "sample"):
        sample = known[texts[secret.item][1]]
        assert (secret.step, secret.loss, secret.source) == (sample.step, sample.loss, sample.source)


def test_graders_see_prompt_and_text_and_nothing_else(sealed: Sealed) -> None:
    bundle, key = sealed
    shown = json.loads(bundle.to_bytes())
    assert shown.keys() == {"twosignal", "version", "bundle", "key_sha256", "items"}
    assert all(item.keys() == {"item", "prompt", "text"} for item in shown["items"])
    for hidden in (key.run, key.secret, key.fingerprint, "chat-arm", "notes.txt", "broken"):
        assert hidden.encode() not in bundle.to_bytes()


def test_the_order_says_nothing_and_repeats_lie_far_apart() -> None:
    firsts = Counter(seal(drawn(), KNOWN)[1].items[0].sort for _ in range(60))
    assert len(firsts) > 1
    for _ in range(20):
        key = seal(drawn(), KNOWN)[1]
        place = {one.item: number for number, one in enumerate(key.items)}
        repeats = [one for one in key.items if one.repeats]
        for one in repeats:
            apart = abs(place[one.item] - place[one.repeats])
            assert min(apart, len(place) - apart) >= 18 // 2, (
                "half of the 18 others lie between, either way round"
            )


def test_the_seed_alone_decides_which_samples_are_drawn() -> None:
    def steps(seed: int) -> set[int]:
        key = seal(drawn(seed=seed), KNOWN)[1]
        return {one.step for one in key.items if one.sort == "sample"}

    assert steps(1) == steps(1)
    assert steps(1) != steps(2)
    assert seal(drawn(seed=1), KNOWN)[0].items[0].item != seal(drawn(seed=1), KNOWN)[0].items[0].item


def test_few_samples_are_all_drawn_and_no_known_text_means_no_controls() -> None:
    key = seal(drawn(2, num_samples=40), [])[1]
    assert Counter(one.sort for one in key.items) == {"sample": 4}
    assert (key.population, sum(bool(one.repeats) for one in key.items)) == (2, 2)


def test_the_published_hash_is_that_of_the_key(sealed: Sealed) -> None:
    bundle, key = sealed
    assert bundle.key_sha256 == sha256(key.to_bytes())
    assert Key.from_bytes(key.to_bytes(), where="key.json") == key
    assert Bundle.from_bytes(bundle.to_bytes(), where="bundle.json") == bundle


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"twosignal": "grading key", "version": 9}', b"[" * 100_000]
)
def test_another_file_is_no_key(data: bytes) -> None:
    with pytest.raises(RunError, match="key.json: this is no grading key"):
        Key.from_bytes(data, where="key.json")


def test_strange_characters_come_back_as_they_were() -> None:
    strange = drawn(1, num_samples=1)
    text = "nan \ud800 </script> \u202e \x00 \u2028"
    kept = seal(
        type(strange)(
            run="r",
            fingerprint="f",
            num_samples=1,
            samples=(type(strange.samples[0])(step=1, text=text, loss=float("nan")),),
        ),
        [],
    )
    assert Bundle.from_bytes(kept[0].to_bytes(), where="x").items[0].text == text
    assert str(Key.from_bytes(kept[1].to_bytes(), where="x").items[0].loss) == "nan"
