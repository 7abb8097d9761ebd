"""The proof of somebody else's trainer: takes a transformers or TRL trainer, gives a `Receipt`; nothing is trained or changed."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from rich.console import Console

from twosignal.errors import InputError
from twosignal.packs.prepare import Ledger
from twosignal.prove.canary import check_canary
from twosignal.prove.receipt import Check, Receipt
from twosignal.prove.sentinels import assistant_only, canaries
from twosignal.prove.show import show_receipt
from twosignal.prove.trainer.answers import check_answers
from twosignal.prove.trainer.batches import Piece
from twosignal.prove.trainer.columns import check_columns
from twosignal.prove.trainer.given import Pipeline, wholes_of
from twosignal.prove.trainer.grammar import unsealed
from twosignal.prove.trainer.ledger import Fate, Whole, check_census, check_fate, follow
from twosignal.prove.trainer.loss_checks import check_loss
from twosignal.prove.trainer.model_checks import check_model, crowded, pick_trial
from twosignal.prove.trainer.question import (
    ALL,
    CACHES,
    CANARIES,
    CENSUS,
    COLUMNS,
    MASK,
    NEIGHBOURS,
    TARGETS,
    Question,
)
from twosignal.prove.trainer.sample import Sample, draw_sample
from twosignal.prove.trainer.serving import check_ends, check_prompts
from twosignal.prove.trainer.subject import Subject
from twosignal.prove.trainer.surface import check_surface
from twosignal.prove.trainer.targets import Read, check_targets
from twosignal.prove.trainer.trial import ForeignError, untouched
from twosignal.text.conversation import Conversation, Message, Origin

MOST_READ = 400
MOST_READ_TOKENS = 150_000
"""Pieces, and tokens of them, that are read back; of larger data evenly spread ones."""
_NUMBERS = [question.id for question in ALL]
_TOOLING = re.compile("tool|function", re.IGNORECASE)


def prove_trainer(trainer: Any, *, dataset: Any = None, quiet: bool = False) -> Receipt:  # noqa: ANN401
    """Check a trainer on its own data, collator, model and loss, and say whether it trains on what it says.

    `trainer`: a transformers `Trainer` or a TRL `SFTTrainer`, as built and not yet trained; it is left as it was.
    `dataset`: the data as it was given to the trainer; with it, what is lost is counted exactly.
    `quiet`: print nothing. Raises InputError when `trainer` is no trainer with training data.
    """
    began = time.perf_counter()
    for name in ("train_dataset", "model", "args", "compute_loss", "get_train_dataloader"):
        if getattr(trainer, name, None) is None:
            raise InputError(
                f"this has no {name}",
                where="prove_trainer",
                found=type(trainer).__name__,
                expected="a transformers Trainer or TRL SFTTrainer with a train_dataset",
            )
    with untouched(trainer):
        # Set by the training loop before each step, and read by some losses.
        trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
        checks, ledger, steps = _proof(Subject(trainer), dataset)
    receipt = Receipt(
        checks=tuple(sorted(checks, key=lambda check: _NUMBERS.index(check.id))),
        ledgers=(ledger,),
        steps=steps,
        seconds=time.perf_counter() - began,
    )
    if not quiet:
        show_receipt(receipt, Console())
    return receipt


def _proof(subject: Subject, dataset: Any) -> tuple[list[Check], Ledger, int]:  # noqa: ANN401
    try:
        sample = draw_sample(subject)
    except ForeignError as error:
        return [_broken(CENSUS, error)], _ledger(None, None), 0
    intent = subject.intent(sample.pieces)
    reads = _readings(subject, sample.pieces)
    given = _given(subject, sample, dataset)
    wholes = _wholes(subject, given)
    fate = follow(wholes, sample.pieces) if wholes else None
    is_known = fate is not None and fate.whole + fate.cut + fate.closed > 0
    checks = [
        *_asked(CANARIES, lambda: [_answers(subject, given, wholes, canary=_canaries(subject, reads))]),
        check_targets(reads, subject.tokenizer, intent)
        if subject.tokenizer
        else TARGETS.not_asked(subject.tokenizer_fault),
        check_prompts(subject, sample.pieces, reads),
        *(check_fate(fate, wholes, sample) if fate and is_known else check_surface(subject, sample, reads)),
        check_census(sample),
        CACHES.not_asked("the trainer keeps no cache of ours"),
        check_ends(subject, sample.pieces, reads),
        *_asked(COLUMNS, lambda: [check_columns(subject, sample, dataset)]),
    ]
    if sample.pieces and _fits_vocabulary(subject, sample):
        checks += _asked(NEIGHBOURS, lambda: _model_checks(subject, sample, reads))
        checks += _asked(MASK, lambda: check_loss(subject, sample))
    return checks, _ledger(sample, fate if is_known else None), _steps(subject, sample)


def _asked(question: Question, call: Callable[[], list[Check]]) -> list[Check]:
    """Return the checks of a call; an error in the trainer's own code is a failed check."""
    try:
        return call()
    except ForeignError as error:
        return [_broken(question, error)]


def _broken(question: Question, error: ForeignError) -> Check:
    remedy = "The error comes from the trainer's own code or data and would end the training too."
    return question.failed(error.message, kind=None, evidence={}, remedy=remedy)


def _fits_vocabulary(subject: Subject, sample: Sample) -> bool:
    size = int(subject.model.get_input_embeddings().weight.shape[0])
    return all(int(piece.ids.max()) < size for piece in sample.pieces)


def _readings(subject: Subject, pieces: Sequence[Piece]) -> list[Read]:
    """Return what can be read back of evenly spread pieces."""
    if subject.reader is None or not pieces:
        return []
    spread = np.unique(np.linspace(0, len(pieces) - 1, min(len(pieces), MOST_READ)).astype(int)).tolist()
    found, tokens = [], 0
    for number in spread:
        reading = subject.reader.read(pieces[number].ids.tolist())
        tokens += len(pieces[number].ids)
        if reading is not None:
            found.append(Read(pieces[number], reading))
        if tokens > MOST_READ_TOKENS:
            break
    return found


def _given(subject: Subject, sample: Sample, dataset: Any) -> Any:  # noqa: ANN401 (rows of theirs)
    """Return the data as given, or the columns of it that stand beside the tokens; None where they cannot be compared."""
    is_apart = not subject.packs or "seq_lengths" in subject.columns
    if not sample.is_whole or int(getattr(subject.args, "world_size", 1)) > 1 or not is_apart:
        return None
    raw = {"messages", "prompt", "completion", "tools", "text", "chat_template_kwargs"} & set(subject.columns)
    if dataset is None and subject.prepares and raw & {"messages", "prompt", "text"}:
        return subject.trainer.train_dataset.select_columns(sorted(raw))
    return dataset


def _wholes(subject: Subject, given: Any) -> list[Whole]:  # noqa: ANN401
    """Return the conversations of the data uncut; none where there are no data, or they cannot be prepared again."""
    if given is None:
        return []
    try:
        return wholes_of(subject, given)
    except ForeignError:
        return []


def _answers(subject: Subject, given: Any, wholes: Sequence[Whole], *, canary: Check) -> Check:  # noqa: ANN401
    """Return the canaries' S1, or where they found nothing the fault that the data's own answers show."""
    tokenizer = subject.tokenizer
    if canary.passed is False or subject.asks_for is None or tokenizer is None or not wholes:
        return canary
    return check_answers(given, wholes, tokenizer) or canary


def _canaries(subject: Subject, reads: Sequence[Read]) -> Check:
    """S1 through the trainer's own preparation and collator, where it was told to learn answers only."""
    if not subject.prepares:
        return CANARIES.not_asked("this trainer prepares no data; its rows are read back instead")
    if subject.asks_for is None:
        return CANARIES.not_asked("the trainer was told to learn everything")
    if subject.tokenizer is None or subject.template is None:
        return CANARIES.not_asked(subject.tokenizer_fault or "there is no chat template")
    if not reads and subject.asks_for != "assistant":
        return CANARIES.not_asked("the data are no conversations")
    rule = last_only if subject.asks_for == "completion" else assistant_only
    pipeline = Pipeline(subject)
    plain = [canary.conversation for canary in canaries(subject.tokenizer, rule)]
    plain = [one for one in plain if not one.tools and all(_is_plain(message) for message in one.messages)]
    with suppress(ForeignError):  # one of them is refused: each is tried alone
        pipeline.make_ahead([one for one in plain if one.messages[-1].role == "assistant"])
    return check_canary(pipeline.make, subject.tokenizer, conversations=_as_read(subject, reads), rule=rule)


def _as_read(subject: Subject, reads: Sequence[Read]) -> list[Conversation]:
    """Return the conversations that were read; with tools beside them unless no text shows any."""
    tokenizer = subject.tokenizer
    texts = [unsealed(tokenizer, read.reading.text) for read in reads] if tokenizer else []
    has_tools = "tools" in subject.columns or any(map(_TOOLING.search, texts))
    origin = Origin(source="train", file="train", line=1)
    said = [read.reading.messages for read in reads]
    return [Conversation(messages=one, origin=origin, tools="[]" if has_tools else "") for one in said]


def last_only(messages: Sequence[Message]) -> list[bool]:
    """Return the rule of a completion: the last message is learned, if it is an answer."""
    last = len(messages) - 1
    return [number == last and message.role == "assistant" for number, message in enumerate(messages)]


def _is_plain(message: Message) -> bool:
    return not (message.reasoning or message.tool_calls or message.name or message.call_id)


def _model_checks(subject: Subject, sample: Sample, reads: Sequence[Read]) -> list[Check]:
    trial = pick_trial(subject, sample)
    checks = check_model(subject, trial) if trial else []
    mixed = crowded(reads)
    return [mixed if mixed and check.id == "P1" and check.passed is not False else check for check in checks]


def _ledger(sample: Sample | None, fate: Fate | None) -> Ledger:
    """Return the totals in the form that every receipt has."""
    pieces = sample.pieces if sample else ()
    targets = sample.targets if sample else 0
    lost = dict(fate.targets_lost) if fate else {}
    return Ledger(
        source="train",
        records=fate.whole + fate.cut + fate.missing if fate else len(pieces),
        bad=0,
        first_bad="",
        without_targets=sum(not piece.num_targets for piece in pieces),
        conversations=len(pieces),
        documents=0,
        held_out=0,
        tokens=sample.tokens if sample else 0,
        targets=targets + sum(lost.values()),
        tokens_lost=0,
        targets_lost=lost,
        rows=sample.rows if sample else 0,
        fill=sample.tokens / max(1, sample.room) if sample else 0.0,
    )


def _steps(subject: Subject, sample: Sample) -> int:
    """Return the optimizer steps that the trainer's arguments ask for."""
    args = subject.args
    if args.max_steps > 0:
        return int(args.max_steps)
    per_step = args.per_device_train_batch_size * args.gradient_accumulation_steps * max(1, args.world_size)
    rows = sample.rows
    dataset = subject.trainer.train_dataset
    if hasattr(dataset, "__len__"):
        rows = len(dataset)
    return int(-(-rows // per_step) * args.num_train_epochs)
