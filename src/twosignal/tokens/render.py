"""The one place where masks are made: takes a record, gives its `Example`s, ids and mask born together.

A mask says which tokens the model is to learn to write. It follows from the messages' roles, names and weights,
never from a search through tokens. Most records give one example; a conversation whose turns are written
differently once others follow gives one for each way they are written (lessons.py).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

import numpy as np

from twosignal.errors import InputError, SourceError
from twosignal.text.conversation import Conversation, Document, Message, Record, Tokenized
from twosignal.tokens.difference import Difference, first_difference
from twosignal.tokens.draft import Draft, Encoded, Fixed, Segment
from twosignal.tokens.example import Example
from twosignal.tokens.form import Filled
from twosignal.tokens.given import compare_given, given_example, refuse_given
from twosignal.tokens.grown_chat import GrownChat
from twosignal.tokens.rules import Supervise, learned_turns
from twosignal.tokens.spans import spans_of
from twosignal.tokens.template import REFUSALS, LayoutError
from twosignal.tokens.template_chat import TemplateChat
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import CHAT_TEMPLATE
from twosignal.tokens.weave import Weaver

_ROLES_REMEDY = (
    "Give the conversation roles that the template knows, for example by merging a system text "
    "into the first user turn, or use a template that accepts them."
)


@dataclass(slots=True, kw_only=True)
class RenderCounts:
    """What happened to tokens and turns on the way; grows while a renderer works."""

    straddling: int = 0
    """Tokens half inside and half outside an answer: they are left unsupervised."""
    unknown: int = 0
    """Tokens that stand for text the vocabulary does not hold."""
    rewritten: int = 0
    """Examples that were made besides one for each conversation, because the chat template writes turns
    differently once further turns follow."""
    changed: int = 0
    """Conversations in which the chat template changes more of a text than white space at its ends."""
    differing: int = 0
    """Conversations that gave other tokens by words than as a whole: the whole counts, and no words are looked up
    from then on."""


class Renderer:
    """Renders records with one tokenizer and one rule of what is learned.

    `now` is the moment that templates which write today's date are given; default: when the
    renderer is made. It stands still, so that one renderer always gives the same ids.
    """

    def __init__(
        self, tokenizer: Tokenizer, supervise: Supervise = "assistant", *, now: datetime | None = None
    ) -> None:
        self.tokenizer = tokenizer
        self.supervise = supervise
        self.counts = RenderCounts()
        is_ours = bool(tokenizer.kind) and tokenizer.chat_template == CHAT_TEMPLATE
        self._template_chat = TemplateChat(tokenizer, now=now)
        self._chat = GrownChat(tokenizer) if is_ours else self._template_chat
        self._weaver = Weaver(tokenizer)

    @property
    def clock(self) -> datetime | None:
        """The moment that the chat template is told, None where it never asks."""
        return self._template_chat.clock

    def render(self, record: Record) -> Example:
        """Return the example of one record, the longest if it gives several; see `render_each`.

        A conversation without a learned turn has zero targets. Raises SourceError, naming file and line,
        when the chat template cannot render the record or what it renders cannot be proved.
        """
        return next(self.render_each([record]))[-1]

    def render_many(self, records: Iterable[Record], batch: int = 512) -> Iterator[Example]:
        """Yield all examples of all records, in order; raises as `render` does."""
        for examples in self.render_each(records, batch):
            yield from examples

    def render_each(self, records: Iterable[Record], batch: int = 512) -> Iterator[list[Example]]:
        """Yield the examples of each record, the shortest first; raises as `render` does."""
        waiting = iter(records)
        while some := list(islice(waiting, batch)):
            drafts = [self._drafts(record) for record in some]
            self.counts.rewritten = self._chat.num_rewritten
            self.counts.changed = self._chat.num_changed
            encoded = iter(self._encode(some, drafts))
            self.counts.differing = self._weaver.num_differing
            for record, own in zip(some, drafts, strict=True):
                if isinstance(record, Tokenized):
                    yield [self._given(record)]
                else:
                    yield [self._example(record, next(encoded)) for _ in own]

    def second_opinion(self, record: Record) -> Difference | None:
        """Return the first token that another way of rendering makes differently; None where both agree.

        For models grown here the other way is the template's Jinja form, for other templates the
        places of the texts, for token ids the messages beside them. Documents have one way only.
        Raises as `render` does.
        """
        if isinstance(record, Tokenized):
            example = given_example(self.tokenizer, record, supervise=self.supervise)
            return self._compared(record, example)
        if isinstance(record, Document) or self.supervise == "all":
            return None
        learned = learned_turns(record.messages, self.supervise)
        drafts = self._named(
            record,
            lambda: self._template_chat.second_drafts(record.messages, learned=learned, tools=record.tools),
        )
        others = self._encode([record], [drafts])
        for example, other in zip(next(self.render_each([record])), others, strict=True):
            other.supervised[0] = False
            ours = example.ids.tolist(), example.supervised.tolist()
            theirs = other.ids.tolist(), other.supervised.tolist()
            if found := first_difference(self.tokenizer, ours, theirs):
                return found
        return None

    def prompt_ids(
        self, messages: Sequence[Message], *, name: str = "", tools: str = "", reasons: bool = False
    ) -> list[int]:
        """Return the prompt under which the model writes the next answer.

        `name` is the answerer's, for models grown here; other templates have no place for it. `reasons` says
        that the answer begins with reasoning, for templates that can be told: a learned answer stands behind
        the prompt that fits it. Raises InputError when the template does not accept the messages.
        """
        try:
            draft = self._chat.draft_prompt(messages, name=name, tools=tools, reasons=reasons)
        except LayoutError as error:
            message = f"the chat template cannot make this prompt: {error}"
            raise InputError(message, where="prompt", remedy=error.remedy) from error
        except REFUSALS as error:
            message = f"the chat template refuses this prompt: {error}"
            raise InputError(message, where="prompt", remedy=_ROLES_REMEDY) from error
        return self._prompt(draft)

    def document_prompt_ids(self, text: str) -> list[int]:
        """Return the ids after which the model goes on with a document that begins with this text.

        Raises InputError when there is neither text nor a token that begins documents.
        """
        return self._prompt(self._document(text, is_start=True, is_end=False))

    def text_spans(self, example: Example) -> list[tuple[str, bool]]:
        """Return the example's text, control tokens written out, in runs of one supervision each."""
        merged: list[tuple[str, bool]] = []
        for span in spans_of(self.tokenizer, example):
            if merged and merged[-1][1] == span.is_supervised:
                merged[-1] = (merged[-1][0] + span.text, span.is_supervised)
            else:
                merged.append((span.text, span.is_supervised))
        return merged

    def _drafts(self, record: Record) -> Sequence[Draft | Filled]:
        if isinstance(record, Document):
            return [self._document(record.text, is_start=record.is_start, is_end=record.is_end)]
        if isinstance(record, Tokenized):
            return []
        learned = self._delimited(record)
        drafts = self._named(
            record, lambda: self._chat.drafts(record.messages, learned=learned, tools=record.tools)
        )
        if len(drafts) > 1 and self.supervise == "all":
            raise SourceError(
                "some turns have weight 0, and the chat template writes turns differently once others follow",
                where=str(record.origin),
                remedy='Set supervise = "assistant" for this source.',
            )
        return drafts

    def _delimited(self, conversation: Conversation) -> list[bool]:
        """Return for every message whether its place must be known: what is learned, or under "all" what is not."""
        learned = learned_turns(conversation.messages, self.supervise)
        return [not is_learned for is_learned in learned] if self.supervise == "all" else learned

    def _named(
        self, conversation: Conversation, draft: Callable[[], Sequence[Draft | Filled]]
    ) -> Sequence[Draft | Filled]:
        """Return what `draft` gives; what a template raises is traced to the conversation."""
        try:
            return draft()
        except LayoutError as error:
            message = f"the chat template does not fit this conversation: {error}"
            raise SourceError(message, where=str(conversation.origin), remedy=error.remedy) from error
        except REFUSALS as error:
            message = f"the chat template refuses this conversation: {error}"
            raise SourceError(message, where=str(conversation.origin), remedy=_ROLES_REMEDY) from error

    def _given(self, record: Tokenized) -> Example:
        example = given_example(self.tokenizer, record, supervise=self.supervise)
        found = self._compared(record, example)
        if found is not None:
            raise refuse_given(record, found)
        return example

    def _compared(self, record: Tokenized, example: Example) -> Difference | None:
        if not record.messages:
            return None
        said = Conversation(messages=record.messages, origin=record.origin, tools=record.tools)
        rendered = next(self.render_each([said]))
        return compare_given(self.tokenizer, example, rendered, with_masks=self.supervise != "all")

    def _document(self, text: str, *, is_start: bool, is_end: bool) -> Draft:
        """Return the text between bos and eos, where it has a start and an end; all of it is learned."""
        wraps = self.tokenizer.kind != "character"
        items: list[Fixed | Segment] = []
        if is_start and wraps and self.tokenizer.bos_id is not None:
            items.append(Fixed(self.tokenizer.bos_id, supervised=True))
        if text:
            items.append(Segment(text, is_start=is_start, stretches=((len(text), True),)))
        if is_end and wraps and self.tokenizer.eos_id is not None:
            items.append(Fixed(self.tokenizer.eos_id, supervised=True))
        return Draft(items)

    def _encode(self, records: Sequence[Record], drafts: Sequence[Sequence[Draft | Filled]]) -> list[Encoded]:
        """Encode the drafts of a batch of records; text that is not Unicode is traced to its record."""
        try:
            return self._weaver.encode(list(chain.from_iterable(drafts)))
        except UnicodeEncodeError as error:
            faulty = next(r for r, own in zip(records, drafts, strict=True) if not all(map(_is_unicode, own)))
            message = "a text holds half a surrogate pair, which no tokenizer can read"
            remedy = "Remove the character, or let `twosignal scan --fix` do it."
            raise SourceError(message, where=str(faulty.origin), remedy=remedy) from error

    def _example(self, record: Record, encoded: Encoded) -> Example:
        ids, supervised = encoded.ids, encoded.supervised
        if not len(ids):
            message = "the tokenizer makes no tokens of this text"
            raise SourceError(message, where=str(record.origin), remedy="Remove the record.")
        if self.supervise == "all" and isinstance(record, Conversation):
            # What was delimited are the turns of weight 0.
            np.logical_not(supervised, out=supervised)
        supervised[0] = False
        self.counts.straddling += encoded.num_straddling if self.supervise != "all" else 0
        if self.tokenizer.unk_id is not None:
            self.counts.unknown += int((ids == self.tokenizer.unk_id).sum())
        return Example(
            ids=ids,
            supervised=supervised,
            origin=record.origin,
            is_conversation=isinstance(record, Conversation),
            domain=record.domain,
        )

    def _prompt(self, draft: Draft | Filled) -> list[int]:
        try:
            ids: list[int] = self._weaver.encode([draft])[0].ids.tolist()
        except UnicodeEncodeError as error:
            message = "the prompt holds half a surrogate pair, which no tokenizer can read"
            raise InputError(message, where="prompt", remedy="Remove the character.") from error
        if not ids:
            message = "an empty prompt needs a tokenizer with a token that begins texts"
            raise InputError(message, where="prompt", remedy="Give a prompt of a few words.")
        return ids


def _is_unicode(draft: Draft | Filled) -> bool:
    """Return whether every text of the draft can be written as UTF-8."""
    try:
        "".join(item.text for item in draft.items if isinstance(item, Segment)).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
