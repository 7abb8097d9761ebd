"""The catalogue of known ways in which masks and packing fail: takes nothing, gives each mode's name and the mark its test wears.

The modes, with their sources, were collected from the issue trackers of seven training
frameworks; the ids are those of docs/faults.md, which is made from this file.
"""

import functools
from collections.abc import Callable, Iterable, Sequence

from twosignal.audits.finding import Finding
from twosignal.errors import TwosignalError
from twosignal.prove.receipt import Check, Kind, Receipt

MODES = {
    "A1": "the template has no generation markers, and every label is masked",
    "A2": "generation markers around some turns only",
    "A3": "generation markers around the wrong role, a header or everything",
    "A4": "the end of turn stands outside the mask",
    "A5": "padding is the end-of-turn token and is masked by its id",
    "A6": "the tokenizer's end-of-text token is not the template's end of turn",
    "A7": "a span that ends on a dropped character runs to the end of the row",
    "A8": "a span that begins on a character without token ends the search for later turns",
    "A9": "texts are cut before the answer's place is looked up",
    "A10": "parts of a message that are not text",
    "A11": "the marker searched for is tokenized differently in context",
    "A12": "marker search in a packed row learns the next conversation's prompt",
    "A13": "a user's text spells an assistant header",
    "A14": "turn boundaries found for one tokenizer family are wrong for another",
    "A15": "the template strips reasoning from earlier turns",
    "A16": "the generation prompt's own text is learned",
    "A17": "messages rendered one by one give other ids than the whole",
    "A18": "the prompt alone renders differently, so that the completion begins at the wrong place",
    "A19": "a token straddles the boundary between question and answer",
    "A20": "the template leaves tool calls out, so that the end of turn is learned at once",
    "A21": "the tool schemas never reach the template",
    "A22": "tool arguments gain keys that nobody wrote",
    "A23": "two tokens of the beginning",
    "A24": "the training template writes another text than the serving template",
    "B1": "the prompt alone fills the window",
    "B2": "packed rows keep conversations without any target",
    "B3": "the end is to be kept when cutting, and the start is",
    "B4": "packing cuts long conversations, and most targets are gone",
    "B5": "fragments of answers without their question",
    "B6": "a mean over no targets",
    "B7": "a guard that never fires",
    "B8": "every example is filtered out",
    "B9": "a cut answer is closed by an end of text",
    "C1": "the packer drops the mask column",
    "C2": "the packer drops the user's labels",
    "C3": "the packer loses most rows and doubles others, and the counts stay",
    "C4": "the packer packs nothing",
    "C5": "positions are not reset between packed conversations",
    "C6": "the mask of a packed row is misaligned after its first conversation",
    "C7": "the token after each end of turn is masked, in packed rows only",
    "C8": "the last token of one conversation is to predict the first of the next",
    "C9": "single-token conversations melt into their neighbours",
    "C10": "padding to a multiple forgets the positions",
    "C11": "an over-long conversation breaks the packer",
    "C12": "packs do not divide over the ranks",
    "C13": "the block mask is handed to the wrong part",
    "C14": "packing makes far fewer steps",
    "C15": "the evaluation loss is a mean of means",
    "D1": "neighbours are visible by design",
    "D2": "the model does not hand positions to its mask",
    "D3": "an all-ones mask switches isolation off",
    "D4": "a cache switches isolation off",
    "D5": "a numbered mask has no effect",
    "D6": "boundaries for a kernel that is not in use",
    "D7": "a recurrent or convolution layer carries its state over",
    "D8": "context parallelism replaces the block mask",
    "D9": "prompt or prefix tuning reaches only the first conversation, or opens all",
    "D10": "isolated, but positions run on",
    "D11": "packing is inactive under a newer kernel's name",
    "D12": "resets are ignored when a batch has two rows",
    "D13": "a dense mask of a very long row overflows",
    "D14": "no causal mask at all",
    "D15": "the packer's mask is replaced by a plain triangle",
    "E1": "a mean of micro-batch means",
    "E2": "the loss is multiplied by the accumulation steps",
    "E3": "a mean of the ranks' means",
    "E4": "boundary targets are subtracted twice from the count",
    "E5": "a fused loss ignores the mask",
    "E6": "labels shifted twice, or not at all",
    "E7": "long answers weigh more than short ones",
    "E8": "NaN is printed as 0",
    "E9": "metrics are averaged with zeros for empty micro-batches",
    "E10": "the attention in use is not the one asked for",
    "F1": "ids without a mask, though only answers are to be learned",
    "F2": "a mask column under an unknown name",
    "F3": "a mask shifted by one",
    "F4": "labels and a mask that disagree",
    "F5": "old labels reused after a change of template",
    "F6": "the one warning is hidden",
    "F7": "one bad conversation, or roles under other names",
}
"""What goes wrong, by id: 24 ways of building masks, 9 of cutting, 15 of packing, 15 of isolation, 10 of loss, 7 of plumbing."""

NOT_INJECTED: dict[str, str] = {
    "C4": "nothing is wrong with the targets; the receipt prints the fill beside the fewest rows possible",
    "C14": "a change of schedule, not a fault of the rows; the receipt prints the steps with and without packing",
    "E7": "a question of what is wanted; the receipt prints the weights of long and short answers",
    "F6": "our checks print their own lines and do not rely on warnings",
}
"""Modes without a test that injects them, with the reason."""


Injection = Callable[..., Receipt | Check | Iterable[Check]]


def fault(mode: str, kind: Kind, *checks: str) -> Callable[[Injection], Callable[..., None]]:
    """Mark a test that injects a mode and returns what the proof found; it passes when the fault was named rightly."""
    if mode not in MODES:
        message = f"unknown mode {mode}"
        raise ValueError(message)

    def mark(inject: Injection) -> Callable[..., None]:
        @functools.wraps(inject)
        def test(*args: object, **kwargs: object) -> None:
            found = _checks(inject(*args, **kwargs))
            failed = [check for check in found if check.passed is False]
            assert failed, f"{mode} ({MODES[mode]}) was not noticed"
            named = [c for c in failed if c.kind == kind and c.id in checks]
            seen = "; ".join(f"{c.id} {c.kind}: {c.message}" for c in failed)
            assert named, f"{mode} should be {kind} by {' or '.join(checks)}; found: {seen}"
            assert all(check.message and check.remedy for check in named)

        return test

    return mark


def refused(mode: str, *words: str) -> Callable[[Injection], Callable[..., None]]:
    """Mark a test that injects a mode into a run file of ours, which is refused in a sentence with these words."""

    def mark(inject: Injection) -> Callable[..., None]:
        @functools.wraps(inject)
        def test(*args: object, **kwargs: object) -> None:
            try:
                failed = [check for check in _checks(inject(*args, **kwargs)) if check.passed is False]
                sentences = [f"{check.message} {check.remedy}" for check in failed]
            except TwosignalError as error:
                sentences = [str(error)]
            assert sentences, f"{mode} ({MODES[mode]}) was not noticed"
            assert any(all(word in text for word in words) for text in sentences), sentences

        return test

    return mark


def monitored(mode: str, *findings: str) -> Callable[[Callable[..., Iterable[Finding]]], Callable[..., None]]:
    """Mark a test that injects a mode into a run and returns what the callback found, one of these by name."""

    def mark(inject: Callable[..., Iterable[Finding]]) -> Callable[..., None]:
        @functools.wraps(inject)
        def test(*args: object, **kwargs: object) -> None:
            found = list(inject(*args, **kwargs))
            assert {finding.id for finding in found} & set(findings), (mode, [f.message for f in found])

        return test

    return mark


def _checks(found: Receipt | Check | Iterable[Check]) -> Sequence[Check]:
    if isinstance(found, Receipt):
        return found.checks
    return [found] if isinstance(found, Check) else list(found)
