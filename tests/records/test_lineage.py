"""Tests of which records count: takes forks, gives the stretches of the newest attempt, by hand."""

import numpy as np

from twosignal.records.lineage import Fork, Segment, live_segments


def attempts(*counts: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def fork(attempt: int, parent: int, *, events: int, steps: int, index: int) -> Fork:
    return Fork(attempt=attempt, parent=parent, step=steps + 1, events=events, steps=steps, index=index)


def test_without_forks_everything_counts() -> None:
    live = live_segments([], num_lines=5, row_attempts=attempts(3))
    assert live == [Segment(attempt=0, events=range(5), rows=range(3))]


def test_a_fork_hides_what_its_parent_told_after_it() -> None:
    live = live_segments([fork(1, 0, events=2, steps=10, index=6)], num_lines=9, row_attempts=attempts(30, 4))
    assert live == [
        Segment(attempt=0, events=range(2), rows=range(10)),
        Segment(attempt=1, events=range(6, 9), rows=range(30, 34)),
    ]


def test_a_fork_of_the_beginning_hides_a_whole_attempt() -> None:
    forks = [fork(1, 0, events=2, steps=10, index=6), fork(2, 0, events=4, steps=20, index=9)]
    live = live_segments(forks, num_lines=12, row_attempts=attempts(30, 4, 2))
    assert live == [
        Segment(attempt=0, events=range(4), rows=range(20)),
        Segment(attempt=2, events=range(9, 12), rows=range(34, 36)),
    ]


def test_a_fork_of_a_fork_keeps_a_part_of_each() -> None:
    forks = [fork(1, 0, events=2, steps=10, index=6), fork(2, 1, events=8, steps=32, index=9)]
    live = live_segments(forks, num_lines=12, row_attempts=attempts(30, 4, 2))
    assert live == [
        Segment(attempt=0, events=range(2), rows=range(10)),
        Segment(attempt=1, events=range(6, 8), rows=range(30, 32)),
        Segment(attempt=2, events=range(9, 12), rows=range(34, 36)),
    ]


def test_a_fork_without_rows_yet_stands_behind_all_rows() -> None:
    live = live_segments([fork(1, 0, events=2, steps=10, index=6)], num_lines=7, row_attempts=attempts(30))
    assert live[1] == Segment(attempt=1, events=range(6, 7), rows=range(30, 30))
