"""Tokenizers: takes the files of a saved tokenizer, gives text to token ids and back.

A tokenizer is its files. The one grown here and the one downloaded are read by the same
code, and saving writes the same bytes again.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Encoding
from tokenizers import Tokenizer as Backend

from twosignal.errors import StorageError
from twosignal.tokens.backend import drop_first_space, without_wrapping
from twosignal.tokens.cuts import separates_at_spaces
from twosignal.tokens.definition import FILES, read_definition
from twosignal.tokens.piece_bytes import count_bytes
from twosignal.tokens.template import ChatTemplate
from twosignal.tokens.turn_tokens import end_of_turn_text, turn_markers

_SPACE = "\u0120"
"""How byte-level vocabularies spell a space."""


class Control(NamedTuple):
    """A token that only a template writes, never a text."""

    id: int
    text: str
    """How the template writes it."""
    takes_left: bool
    """It swallows the white space before it."""
    takes_right: bool
    """It swallows the white space behind it."""


class Pieces(NamedTuple):
    """The tokens of a text with their places in it."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    """Start and end of every token, in characters of the text."""


class Tokenizer:
    """Text to token ids and back; text never becomes a control token.

    Built from the contents of a tokenizer's files by name; `where` names their place in errors.
    Raises InputError when the files are damaged or tokenizer.json is missing.
    """

    def __init__(self, files: Mapping[str, bytes], *, where: str) -> None:
        definition = read_definition(files, where=where)
        self._files = {name: files[name] for name in FILES if name in files}
        self.chat_template = definition.chat_template
        """Jinja source; a fallback when `has_own_template` is false; empty when no turn can be ended."""
        self.has_own_template = definition.has_own_template
        """The chat template came with the tokenizer."""
        self.special_tokens = definition.named
        """Texts of the named tokens (bos_token, eos_token, ...), as templates refer to them."""
        self.kind = definition.kind
        """bpe, character or bytes for a tokenizer grown here, else empty."""

        template = ChatTemplate(self.chat_template, special_tokens=self.special_tokens)
        plain = without_wrapping(definition.backend)
        added = [*plain["added_tokens"], *definition.missing]
        markers = set(turn_markers(template, [t["content"] for t in added if not t["special"]]))
        for token in added:
            token["special"] = token["special"] or token["content"] in markers
        self._missing = definition.missing
        self.separates_at_spaces = separates_at_spaces(plain, added)
        """The tokens before and after a single space between words do not depend on each other."""
        # As text: parsed, a vocabulary of 150,000 entries takes ten times the memory.
        self._plain = json.dumps(plain)
        self._backend = self._build(self._plain)
        self._backend.encode_special_tokens = True

        vocab: dict[str, int] = self._backend.get_vocab(with_added_tokens=True)
        self.vocab_size = 1 + max(vocab.values())
        """Largest id plus one, added tokens included."""
        self.controls = {
            token.content: Control(index, token.content, token.lstrip, token.rstrip)
            for index, token in sorted(self._backend.get_added_tokens_decoder().items())
            if token.special
        }
        """The control tokens by text."""
        self.control_ids = frozenset(control.id for control in self.controls.values())
        self.bos_id = self._named_id("bos_token")
        self.eos_id = self._named_id("eos_token")
        self.pad_id = self._named_id("pad_token")
        unknown = self._named_id("unk_token")
        self.unk_id = None if unknown in (self.bos_id, self.eos_id, self.pad_id) else unknown
        """Token for text the vocabulary lacks; byte-level ones name another token, and lack nothing."""
        published = {self.eos_id, *definition.stop_ids}
        ends = [control.text for control in self.controls.values() if control.id in published]
        self.end_of_turn = end_of_turn_text(template, list(self.controls), stops=ends)
        """Text of the control token that the template writes after an answer; empty if there is none."""
        end = self.controls.get(self.end_of_turn)
        self.end_of_turn_id = None if end is None else end.id
        stops = (self.end_of_turn_id, self.eos_id, *definition.stop_ids)
        self.stop_ids = tuple(dict.fromkeys(stop for stop in stops if stop is not None))
        """Tokens that end a generated text: of the template, the tokenizer and the generation config."""

        by_length = sorted(self.controls, key=len, reverse=True)
        self._control_pattern = re.compile("|".join(map(re.escape, by_length)) or "(?!)")
        # Unigram and word vocabularies may hold a control token's text as an ordinary piece.
        model_vocab = self._backend.get_vocab(with_added_tokens=False)
        reachable = {c.id for c in self.controls.values() if model_vocab.get(c.text) == c.id}
        self.forgeable_ids = frozenset(reachable - {self.unk_id})
        """Control tokens that the vocabulary itself would make of a text that spells them."""

    def _build(self, definition: str) -> Backend:
        backend = Backend.from_str(definition)
        backend.add_tokens([AddedToken(**token) for token in self._missing])
        return backend

    def _named_id(self, name: str) -> int | None:
        control = self.controls.get(self.special_tokens.get(name, ""))
        return None if control is None else control.id

    @cached_property
    def _mid_backend(self) -> Backend:
        """For text that does not begin its document: puts no space in front, where the vocabulary knows a first."""
        later = json.loads(self._plain)
        if not drop_first_space(later.get("pre_tokenizer")):
            return self._backend
        backend = self._build(json.dumps(later))
        backend.encode_special_tokens = True
        return backend

    @cached_property
    def _parsing_backend(self) -> Backend:
        return self._build(self._plain)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; what looks like a control token stays text."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str], *, is_start: bool = True) -> list[list[int]]:
        """Return the ids of each text; `is_start` says that the texts begin a document.

        Raises UnicodeEncodeError for a text with half a surrogate pair.
        """
        backend = self._backend if is_start else self._mid_backend
        encodings = _checked(backend.encode_batch_fast, texts)
        ids: list[list[int]] = [encoding.ids for encoding in encodings]
        if self.forgeable_ids:
            for index, found in enumerate(ids):
                if not self.forgeable_ids.isdisjoint(found):
                    ids[index] = self._encode_apart(texts[index], is_start=is_start).ids
        return ids

    def encode_pieces(self, texts: Sequence[str], *, is_start: bool = True) -> list[Pieces]:
        """Return ids and places of the tokens of each text, as `encode_batch` does."""
        backend = self._backend if is_start else self._mid_backend
        pieces = [Pieces(e.ids, e.offsets) for e in _checked(backend.encode_batch, texts)]
        for index, found in enumerate(pieces):
            if not self.forgeable_ids.isdisjoint(found.ids):
                pieces[index] = self._encode_apart(texts[index], is_start=is_start)
        return pieces

    def _encode_apart(self, text: str, *, is_start: bool) -> Pieces:
        """Encode a text that holds what looks like control tokens by cutting each after its first character."""
        cuts = [found.start() + 1 for found in self._control_pattern.finditer(text)]
        pieces = Pieces([], [])
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            backend = self._backend if is_start and start == 0 else self._mid_backend
            encoding = backend.encode(text[start:end], add_special_tokens=False)
            pieces.ids.extend(encoding.ids)
            pieces.offsets.extend((a + start, b + start) for a, b in encoding.offsets)
        return pieces

    def encode_rendered(self, text: str) -> list[int]:
        """Return the ids of a whole rendered chat in which every control token counts: for comparison only."""
        ids: list[int] = self._parsing_backend.encode(text, add_special_tokens=False).ids
        return ids

    def split_controls(self, text: str) -> Iterator[str | Control]:
        """Yield the control tokens of a template's own text and the text between them."""
        position = 0
        for found in self._control_pattern.finditer(text):
            if found.start() > position:
                yield text[position : found.start()]
            yield self.controls[found[0]]
            position = found.end()
        if position < len(text):
            yield text[position:]

    def has_control_text(self, text: str) -> bool:
        """Return whether a text holds what looks like a control token."""
        return self._control_pattern.search(text) is not None

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """Return the text of ids; control tokens are left out, or written out when not skipped."""
        text: str = self._backend.decode(ids, skip_special_tokens=skip_special)
        return text

    def decode_within(self, ids: Sequence[int]) -> str:
        """Return the text of ids as it reads inside a longer one: a leading space stays; control tokens written out."""
        anchor = next(iter(self.controls.values()), None)
        if anchor is None:
            return self.decode(ids, skip_special=False)
        return self.decode([anchor.id, *ids], skip_special=False).removeprefix(anchor.text)

    @cached_property
    def _token_bytes(self) -> npt.NDArray[np.int32]:
        counts = count_bytes(
            json.loads(self._plain),
            self._backend.get_vocab(with_added_tokens=True),
            control_ids=self.control_ids,
            size=self.vocab_size,
        )
        counts.setflags(write=False)
        return counts

    @cached_property
    def begins_with_space(self) -> npt.NDArray[np.bool_]:
        """For every id of a byte-level vocabulary whether its text begins with a space, shape [vocab_size]."""
        begins = np.zeros(self.vocab_size, np.bool_)
        vocab: dict[str, int] = self._backend.get_vocab(with_added_tokens=True)
        begins[[index for piece, index in vocab.items() if piece.startswith((_SPACE, " "))]] = True
        return begins

    def token_bytes(self) -> npt.NDArray[np.int32]:
        """Return the UTF-8 bytes of text behind every id, shape [vocab_size]; 0 for control tokens."""
        return self._token_bytes

    def fingerprint(self) -> str:
        """Return 32 hex digits that depend on the vocabulary, the template and the special ids."""
        ids = (self.bos_id, self.eos_id, self.pad_id, self.end_of_turn_id)
        digest = hashlib.blake2b(self._files["tokenizer.json"], digest_size=16)
        digest.update(json.dumps([self.chat_template, ids]).encode())
        return digest.hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write the tokenizer's files unchanged, and the fallback template if it came without one.

        `transformers.AutoTokenizer.from_pretrained` loads the folder.
        Raises StorageError when the folder cannot be written.
        """
        files = dict(self._files)
        if not self.has_own_template and self.chat_template:
            files["chat_template.jinja"] = self.chat_template.encode()
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
        except OSError as error:
            message = f"the tokenizer cannot be saved: {error.strerror}"
            remedy = "Choose a folder that can be written, or free some space."
            raise StorageError(message, where=str(folder), remedy=remedy) from error


def _checked(encode: Callable[..., list[Encoding]], texts: Sequence[str]) -> list[Encoding]:
    """Call a batch encoder; a text that is not Unicode is an error of Python's own class for it."""
    try:
        return encode(list(texts), add_special_tokens=False)
    except TypeError:
        "".join(texts).encode("utf-8")
        raise
