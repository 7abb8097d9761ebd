"""Request files: numbered in order, whole or absent, never changed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from twosignal.errors import StorageError
from twosignal.records.requests import last_request, put_request, read_request, refusal_of, refuse_request


def test_requests_are_numbered_and_read_back(tmp_path: Path) -> None:
    assert last_request(tmp_path) == 0
    assert [put_request(tmp_path, {"set": {"a": 0.5}}), put_request(tmp_path, {"cap": {"b": 0.1}})] == [1, 2]
    assert read_request(tmp_path, 1) == {"set": {"a": 0.5}}
    assert read_request(tmp_path, 2) == {"cap": {"b": 0.1}}
    assert read_request(tmp_path, 3) is None
    assert last_request(tmp_path) == 2


def test_two_commands_at_once_get_two_numbers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda n: put_request(tmp_path, {"set": {"a": n}}), range(40)))
    assert sorted(numbers) == list(range(1, 41))
    asked = {number: read_request(tmp_path, number) for number in numbers}
    assert asked == {number: {"set": {"a": n}} for n, number in enumerate(numbers)}


def test_a_refusal_stands_beside_its_request(tmp_path: Path) -> None:
    number = put_request(tmp_path, {})
    assert refusal_of(tmp_path, number) is None
    refuse_request(tmp_path, number, "it asks for nothing")
    assert refusal_of(tmp_path, number) == "it asks for nothing"
    assert last_request(tmp_path) == 1


@pytest.mark.parametrize("content", [b"[]", b"{half", b"\xff"])
def test_what_is_no_object_is_told(content: bytes, tmp_path: Path) -> None:
    number = put_request(tmp_path, {})
    (tmp_path / "requests" / "000001.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        read_request(tmp_path, number)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "requests").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        put_request(tmp_path, {})
