"""The one place where masks are made: takes a conversation or document, gives an `Example`, ids and mask born together.

A mask says which tokens the model is to learn to write. It follows from the messages' roles
and names, never from a search through tokens.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

from twosignal.config import RoleRule
from twosignal.errors import InputError, SourceError
from twosignal.text.conversation import Conversation, Document, Message, Record
from twosignal.tokens.draft import Draft, Encoded, Fixed, Segment, encode_drafts
from twosignal.tokens.example import Example
from twosignal.tokens.grown_chat import GrownChat
from twosignal.tokens.layout import LayoutError
from twosignal.tokens.spans import spans_of
from twosignal.tokens.template import REFUSALS
from twosignal.tokens.template_chat import TemplateChat
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import CHAT_TEMPLATE

Supervise = Literal["all", "assistant", "last"] | RoleRule

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
    """Learned turns that the chat template writes differently once further turns follow."""
    changed: int = 0
    """Conversations in which the chat template changes more of a text than white space at its ends."""


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
        self._chat = GrownChat(tokenizer) if is_ours else TemplateChat(tokenizer, now=now)

    def render(self, record: Record) -> Example:
        """Return the example of one record; a conversation without a learned turn has zero targets.

        Raises SourceError, naming file and line, when the chat template cannot render the record.
        """
        return next(self.render_many([record]))

    def render_many(self, records: Iterable[Record], batch: int = 512) -> Iterator[Example]:
        """Yield the example of each record, in order; raises as `render` does."""
        waiting = iter(records)
        while some := list(islice(waiting, batch)):
            drafts = [self._draft(record) for record in some]
            self.counts.rewritten = self._chat.num_rewritten
            self.counts.changed = self._chat.num_changed
            for record, encoded in zip(some, self._encode(some, drafts), strict=True):
                yield self._example(record, encoded)

    def prompt_ids(self, messages: Sequence[Message], *, name: str = "") -> list[int]:
        """Return the prompt under which the model writes the next answer.

        `name` is the answerer's, for models grown here; other templates have no place for it.
        Raises InputError when the template does not accept the messages.
        """
        try:
            draft = self._chat.draft_prompt(messages, name=name)
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

    def _draft(self, record: Record) -> Draft:
        if isinstance(record, Document):
            return self._document(record.text, is_start=record.is_start, is_end=record.is_end)
        try:
            return self._chat.draft(record.messages, learned=self._learned(record))
        except LayoutError as error:
            message = f"the chat template does not fit this conversation: {error}"
            raise SourceError(message, where=str(record.origin), remedy=error.remedy) from error
        except REFUSALS as error:
            message = f"the chat template refuses this conversation: {error}"
            raise SourceError(message, where=str(record.origin), remedy=_ROLES_REMEDY) from error

    def _learned(self, conversation: Conversation) -> list[bool]:
        """Return for every message whether it is supervised."""
        messages = conversation.messages
        if isinstance(self.supervise, RoleRule):
            role, name = self.supervise.role, self.supervise.name
            return [m.role == role and name in (None, m.name) for m in messages]
        answers = [m.role == "assistant" for m in messages]
        if self.supervise == "last" and True in answers:
            last = len(answers) - 1 - answers[::-1].index(True)
            return [index == last for index in range(len(answers))]
        # "all" needs no turns: the whole example is supervised afterwards.
        return answers if self.supervise == "assistant" else [False] * len(answers)

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

    def _encode(self, records: Sequence[Record], drafts: Sequence[Draft]) -> list[Encoded]:
        """Encode a batch; text that is not Unicode is traced to its record."""
        try:
            return encode_drafts(self.tokenizer, drafts)
        except UnicodeEncodeError as error:
            faulty = next(r for r, draft in zip(records, drafts, strict=True) if not _is_unicode(draft))
            message = "a text holds half a surrogate pair, which no tokenizer can read"
            remedy = "Remove the character, or let `twosignal scan --fix` do it."
            raise SourceError(message, where=str(faulty.origin), remedy=remedy) from error

    def _example(self, record: Record, encoded: Encoded) -> Example:
        ids, supervised = encoded.ids, encoded.supervised
        if not len(ids):
            message = "the tokenizer makes no tokens of this text"
            raise SourceError(message, where=str(record.origin), remedy="Remove the record.")
        if self.supervise == "all":
            supervised[:] = True
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

    def _prompt(self, draft: Draft) -> list[int]:
        try:
            ids: list[int] = encode_drafts(self.tokenizer, [draft])[0].ids.tolist()
        except UnicodeEncodeError as error:
            message = "the prompt holds half a surrogate pair, which no tokenizer can read"
            raise InputError(message, where="prompt", remedy="Remove the character.") from error
        if not ids:
            message = "an empty prompt needs a tokenizer with a token that begins texts"
            raise InputError(message, where="prompt", remedy="Give a prompt of a few words.")
        return ids


def _is_unicode(draft: Draft) -> bool:
    """Return whether every text of the draft can be written as UTF-8."""
    try:
        "".join(item.text for item in draft.items if isinstance(item, Segment)).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
