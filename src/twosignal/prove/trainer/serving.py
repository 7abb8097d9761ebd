"""Training text against what the model will be handed: takes conversations read in real rows, gives S3 and S8."""

from collections.abc import Sequence

import numpy as np

from twosignal.prove.receipt import Check
from twosignal.prove.trainer.batches import Piece
from twosignal.prove.trainer.grammar import seal, sealed, squeeze, unsealed
from twosignal.prove.trainer.question import ENDS, PROMPTS
from twosignal.prove.trainer.reading import Reading
from twosignal.prove.trainer.subject import Subject
from twosignal.prove.trainer.targets import Read
from twosignal.tokens.template import REFUSALS, ChatTemplate
from twosignal.tokens.tokenizer import Tokenizer

MOST_COMPARED = 100
_SPACED = "a b\n\nc  d"
"""A text whose white space some tokenizers drop."""
_SWAP_REMEDY = (
    "Train with the template that the model is served with: give the tokenizer's chat template {% generation %} "
    "markers of its own, so that TRL does not put another in its place, or serve with the training template."
)


def check_prompts(subject: Subject, pieces: Sequence[Piece], reads: Sequence[Read]) -> Check:
    """S3: what stands before each answer is what the tokenizer's own template hands the model there."""
    twice = _doubled_start(subject, pieces)
    if twice:
        return twice
    template = subject.inference_template
    if template is None or not reads:
        return PROMPTS.not_asked("no chat template, or no conversation that could be read")
    compared = differing = 0
    first: dict[str, object] = {}
    for read in reads[:MOST_COMPARED]:
        expected = _first_difference(subject, template, read)
        compared += 1
        differing += bool(expected)
        first = first or expected
    swapped = subject.used_template != subject.own_template
    evidence: dict[str, object] = {"conversations": compared, "template_swapped": swapped, **first}
    if not differing:
        message = (
            f"{compared:,} conversations: every answer follows the prompt of the tokenizer's own template"
        )
        if swapped:
            message += ", though the trainer uses another template"
        return PROMPTS.passed(message, evidence)
    cause = "the trainer put another chat template in the place of the tokenizer's: " if swapped else ""
    return PROMPTS.failed(
        f"{cause}in {differing:,} of {compared:,} conversations what stands before an answer is not what the "
        "tokenizer's template will hand the model",
        kind="unstable-rendering",
        evidence=evidence,
        remedy=_SWAP_REMEDY if swapped else "Render training data with the tokenizer's own chat template.",
    )


def _doubled_start(subject: Subject, pieces: Sequence[Piece]) -> Check | None:
    """Return a fault when texts begin with the token that begins texts twice."""
    bos = subject.tokenizer.bos_id if subject.tokenizer else None
    doubled = sum(len(piece.ids) > 1 and piece.ids[0] == piece.ids[1] == bos for piece in pieces)
    if bos is None or not doubled:
        return None
    return PROMPTS.failed(
        f"{doubled:,} of {len(pieces):,} texts begin with the token that begins a text twice",
        kind="unstable-rendering",
        evidence={"doubled": doubled, "token": bos},
        remedy="Tokenize a rendered chat with add_special_tokens=False, or take bos_token out of the template.",
    )


def _first_difference(subject: Subject, template: ChatTemplate, read: Read) -> dict[str, object]:
    """Return the first learned answer whose prompt differs, with both texts; empty if there is none."""
    reading = read.reading
    if not reading.begins or subject.tokenizer is None:
        return {}
    for number in reading.answers:
        if not read.piece.is_learned[reading.required(number)].any():
            continue
        try:
            prompt = template.render(reading.messages[:number], generation_prompt=True).text
        except REFUSALS:
            return {}
        expected = sealed(subject.tokenizer, prompt)
        stands = reading.text[: reading.turns[number].start]
        if not _agree(reading, expected, stands) or _spaced_otherwise(subject.tokenizer, read, prompt):
            return {
                "answer": number + 1,
                "trained": unsealed(subject.tokenizer, stands)[-600:],
                "served": prompt[-600:],
            }
    return {}


def _agree(reading: Reading, expected: str, stands: str) -> bool:
    """Return whether the prompt stands before the answer, white space at its end apart."""
    if expected.rstrip() == stands.rstrip() or squeeze(expected) == stands:
        return True
    # Some templates open the answer on the model's behalf, such as with a thought.
    return expected.startswith(stands.rstrip()) and reading.text.startswith(expected.rstrip())


def _spaced_otherwise(tokenizer: Tokenizer, read: Read, prompt: str) -> bool:
    """Return whether white space is not where the prompt has it, though the tokenizer could have kept it."""
    if not read.reading.is_squeezed or tokenizer.decode(tokenizer.encode(_SPACED)) != _SPACED:
        return False
    # The last token may be another where the answer follows.
    ids = tokenizer.encode_rendered(prompt)[:-1]
    return bool(read.piece.ids[: len(ids)].tolist() != ids)


def check_ends(subject: Subject, pieces: Sequence[Piece], reads: Sequence[Read]) -> Check:
    """S8: the token that ends a turn is one that stops generation, and is learned where answers are."""
    masked = _masked_ends(subject, pieces)
    if masked:
        return masked
    tokenizer = subject.tokenizer
    if tokenizer is None or not reads:
        return ENDS.not_asked("no conversation could be read in the rows")
    if unending := _never_stops(subject, reads):
        return unending
    if tokenizer.end_of_turn_id is None:
        return ENDS.not_asked("no chat template whose turns end with a token of their own")
    end, text = tokenizer.end_of_turn_id, tokenizer.end_of_turn
    mark = seal(end)
    closed = sum(mark in r.reading.text for r in reads)
    if not closed:
        return ENDS.not_asked(f"no turn of these conversations ends with {text}")
    stops = _stops(subject)
    evidence: dict[str, object] = {"end_of_turn": text, "stops": sorted(stops)}
    if end not in stops:
        return ENDS.failed(
            f"turns end with {text}, and generation stops at {_texts(subject, stops)} only: the model would not stop",
            kind="wrong-targets",
            evidence=evidence,
            remedy=f'Set tokenizer.eos_token = "{text}" (SFTConfig(eos_token=...)), or add it to the model\'s generation config.',
        )
    message = f"turns end with {text}, which stops generation"
    return ENDS.passed(message, evidence)


def _never_stops(subject: Subject, reads: Sequence[Read]) -> Check | None:
    """Return a fault when answers are learned, and never a token that stops generation."""
    stops = np.array(sorted(_stops(subject)), np.int64)
    whole = [read.piece for read in reads if read.reading.closes and read.piece.num_targets]
    if not whole or any(np.isin(piece.ids[piece.is_learned], stops).any() for piece in whole):
        return None
    return ENDS.failed(
        f"answers of {len(whole):,} conversations are learned, and not one token among them stops generation "
        f"({_texts(subject, set(stops.tolist()))}): the model never learns to stop",
        kind="wrong-targets",
        evidence={"stops": stops.tolist(), "conversations": len(whole)},
        remedy="Let the chat template end each answer with the tokenizer's eos_token, inside the learned part.",
    )


def _masked_ends(subject: Subject, pieces: Sequence[Piece]) -> Check | None:
    """Return a fault when one token, that of padding, is never learned while all others are."""
    pad = subject.pad_id
    held = [piece for piece in pieces if (piece.ids[1:] == pad).any()]
    if pad is None or not held:
        return None
    at_pad = sum(int((piece.is_learned & (piece.ids == pad)).sum()) for piece in held)
    others = all(piece.is_learned[1:][piece.ids[1:] != pad].all() for piece in held)
    if at_pad or not others:
        return None
    count = sum(int((piece.ids[1:] == pad).sum()) for piece in held)
    return ENDS.failed(
        f"all tokens are learned but the {count:,} that equal the padding token: where that ends a text too, the "
        "model never learns to stop",
        kind="wrong-targets",
        evidence={"pad_id": pad, "masked": count},
        remedy="Give padding a token of its own, or mask padding by length instead of by value.",
    )


def _stops(subject: Subject) -> set[int]:
    """Return the tokens at which generation stops after training: of the tokenizer and the generation config."""
    given = [getattr(subject.foreign_tokenizer, "eos_token_id", None)]
    config = getattr(subject.model, "generation_config", None)
    ends = getattr(config, "eos_token_id", None)
    given += ends if isinstance(ends, list) else [ends]
    return {stop for stop in given if isinstance(stop, int)}


def _texts(subject: Subject, ids: set[int]) -> str:
    tokenizer = subject.tokenizer
    assert tokenizer is not None
    return ", ".join(tokenizer.decode([token], skip_special=False) for token in sorted(ids)) or "no token"
