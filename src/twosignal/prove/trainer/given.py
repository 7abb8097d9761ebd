"""Their own preparation, used once more: takes conversations or the data as given, gives what the trainer makes of each.

For canaries the whole way is gone, packing and collator included; for the data itself the
preparation runs uncut and unpacked, as the measure of what the batches should hold.
"""

import copy
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twosignal.packs.pack import NO_TARGET
from twosignal.prove.drawing import Made
from twosignal.prove.trainer.batches import pieces_of
from twosignal.prove.trainer.ledger import Whole
from twosignal.prove.trainer.sample import as_batch
from twosignal.prove.trainer.subject import Subject
from twosignal.prove.trainer.trial import ForeignError, attempt
from twosignal.text.conversation import Conversation, Message

MOST_WHOLES = 20_000
"""Conversations that are prepared once more; of larger data sets none is."""


def prepared(subject: Subject, rows: Any, *, as_asked: bool) -> Any:  # noqa: ANN401 (a data set of theirs)
    """Return rows as the trainer's own preparation leaves them: as its options ask, or uncut and unpacked."""
    trainer = subject.trainer
    args = copy.copy(subject.args)
    args.shuffle_dataset = False
    args.dataset_num_proc = None
    if not as_asked:
        args.max_length, args.packing = None, False
    form = getattr(trainer, "_formatting_func", None)
    return attempt(
        "preparing data",
        lambda: trainer._prepare_dataset(
            _as_dataset(rows), trainer.processing_class, args, args.packing, form, "proof"
        ),
    )


def _as_dataset(rows: Any) -> Any:  # noqa: ANN401
    return sys.modules["datasets"].Dataset.from_list(list(rows)) if isinstance(rows, Sequence) else rows


def wholes_of(subject: Subject, dataset: Any) -> list[Whole]:  # noqa: ANN401
    """Return every conversation of a data set uncut; raises ForeignError where the trainer cannot prepare it."""
    if not hasattr(dataset, "__len__") or len(dataset) > MOST_WHOLES:
        message = f"the data set has no length, or more than {MOST_WHOLES:,} conversations"
        raise ForeignError(message)
    if not subject.prepares:
        return [_own_whole(subject, row) for row in dataset]
    return [
        Whole(ids=tuple(row["input_ids"]), learned=tuple(label != NO_TARGET for label in row["labels"]))
        for row in prepared(subject, dataset, as_asked=False)
    ]


def _own_whole(subject: Subject, row: Mapping[str, Any]) -> Whole:
    """Return a conversation of a trainer that prepares nothing: rendered by the tokenizer's own template."""
    if "input_ids" in row:
        ids = tuple(int(token) for token in row["input_ids"])
        labels = row.get("labels", ids)
        return Whole(ids=ids, learned=tuple(label != NO_TARGET for label in labels))
    theirs = subject.foreign_tokenizer
    if "messages" not in row or theirs is None:
        raise ForeignError("rows of the data given have neither input_ids nor messages")
    encoded = attempt(
        "the chat template",
        lambda: theirs.apply_chat_template(row["messages"], tokenize=True, return_dict=True),
    )
    return Whole(ids=tuple(encoded["input_ids"]), learned=())


class Pipeline:
    """The way of a conversation through their preparation, packing and collator."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._made: dict[bytes, Made] = {}

    def make(self, conversations: Sequence[Conversation]) -> list[Made | None]:
        """Return ids and unshifted mask of each conversation, None where it is dropped."""
        self.make_ahead([one for one in conversations if one.fingerprint not in self._made])
        return [self._made.get(one.fingerprint) for one in conversations]

    def make_ahead(self, conversations: Sequence[Conversation]) -> None:
        """Prepare conversations together; raises ForeignError where their code does."""
        if not conversations:
            return
        rows = [as_row(one, is_split=self._subject.asks_for == "completion") for one in conversations]
        uncut = list(prepared(self._subject, rows, as_asked=False))
        if len(uncut) != len(rows):
            return
        seen = {piece.ids.tobytes(): piece.is_learned for piece in self._collated(rows)}
        for one, row in zip(conversations, uncut, strict=True):
            ids = np.array(row["input_ids"], np.int64)
            alone = np.array(row["labels"]) != NO_TARGET
            learned = seen.get(ids.tobytes(), alone).copy()
            learned[:1] = False
            self._made[one.fingerprint] = Made(ids.astype(np.int32), learned)

    def _collated(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the pieces of the batch that the rows end in."""
        whole = prepared(self._subject, rows, as_asked=True)
        names = {"input_ids", "labels", "seq_lengths"}
        ready = [{name: value for name, value in row.items() if name in names} for row in whole]
        if not ready:
            return []
        batch = as_batch(attempt("the collator", lambda: self._subject.trainer.data_collator(ready)))
        return pieces_of(batch, pad_id=self._subject.pad_id)


def as_row(conversation: Conversation, *, is_split: bool) -> dict[str, Any]:
    """Return a conversation as their data sets hold it; split into prompt and completion, or whole."""
    messages = [_as_message(message) for message in conversation.messages]
    row: dict[str, Any] = (
        {"prompt": messages[:-1], "completion": messages[-1:]} if is_split else {"messages": messages}
    )
    return row | ({"tools": conversation.tools} if conversation.tools else {})


def _as_message(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name:
        fields["name"] = message.name
    if message.reasoning:
        fields["reasoning_content"] = message.reasoning
    if message.call_id:
        fields["tool_call_id"] = message.call_id
    if message.tool_calls:
        fields["tool_calls"] = [
            {
                "type": "function",
                "id": call.id,
                "function": {"name": call.name, "arguments": json.loads(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return fields
