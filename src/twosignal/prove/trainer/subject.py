"""What a trainer is: takes a transformers or TRL trainer, gives what the proof needs to know about it, in our own terms."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch

from twosignal.errors import InputError
from twosignal.prove.trainer.batches import Piece
from twosignal.prove.trainer.reading import Reader
from twosignal.prove.trainer.trial import ForeignError, attempt
from twosignal.tokens.pretrained import load_tokenizer
from twosignal.tokens.template import ChatTemplate
from twosignal.tokens.tokenizer import Tokenizer

Intent = Literal["assistant", "completion", "all", "own"]
"""What is to be learned: answers, completions, everything, or what the labels say that came with the data."""


@dataclass(frozen=True)
class Subject:
    """A trainer, seen from outside. `Any` stands for its own types."""

    trainer: Any

    @property
    def args(self) -> Any:  # noqa: ANN401
        """Its training arguments."""
        return self.trainer.args

    @property
    def model(self) -> Any:  # noqa: ANN401
        """The model it would train."""
        return self.trainer.model

    @property
    def is_sft(self) -> bool:
        """Whether it prepares data as TRL's SFTTrainer does."""
        return any(kind.__name__ == "SFTTrainer" for kind in type(self.trainer).__mro__)

    @property
    def prepares(self) -> bool:
        """Whether it tokenizes data itself."""
        return self.is_sft and not getattr(self.trainer, "_skip_prepare_dataset", False)

    @property
    def packs(self) -> bool:
        """Whether it was asked to lay several conversations into one row."""
        return self.prepares and bool(getattr(self.args, "packing", False))

    @property
    def window(self) -> int | None:
        """Tokens of a row at most, where the trainer cuts."""
        return getattr(self.args, "max_length", None) if self.prepares else None

    @property
    def asks_for(self) -> Intent | None:
        """What the trainer's own options say is to be learned; None where they leave it to the labels."""
        if not self.is_sft:
            return None
        if getattr(self.args, "assistant_only_loss", False):
            return "assistant"
        is_completion = getattr(self.trainer, "completion_only_loss", None)
        return "completion" if is_completion else None

    @cached_property
    def columns(self) -> list[str]:
        """Columns of the training data; empty where it does not say."""
        names = getattr(self.trainer.train_dataset, "column_names", None)
        return list(names) if isinstance(names, list | tuple) else []

    @cached_property
    def foreign_tokenizer(self) -> Any:  # noqa: ANN401
        """Their tokenizer, taken out of a processor if need be; None if the trainer has none."""
        given = getattr(self.trainer, "processing_class", None)
        return getattr(given, "tokenizer", given)

    @cached_property
    def tokenizer(self) -> Tokenizer | None:
        """The trainer's tokenizer as ours, or None with the reason in `tokenizer_fault`."""
        return self._loaded[0]

    @cached_property
    def tokenizer_fault(self) -> str:
        """Why there is no tokenizer; empty if there is one."""
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> tuple[Tokenizer | None, str]:
        theirs = self.foreign_tokenizer
        if theirs is None or not hasattr(theirs, "save_pretrained"):
            return None, "the trainer has no tokenizer (processing_class)"
        with tempfile.TemporaryDirectory() as folder:
            try:
                attempt("saving the tokenizer", lambda: theirs.save_pretrained(folder))
                return load_tokenizer(folder), ""
            except (ForeignError, InputError) as error:
                return None, str(error)

    @cached_property
    def own_template(self) -> str:
        """The template that the model answers with: the tokenizer's own."""
        theirs = getattr(self.foreign_tokenizer, "chat_template", None)
        return theirs if isinstance(theirs, str) else ""

    @cached_property
    def used_template(self) -> str:
        """The template that the trainer renders with: TRL may put another in the place of the tokenizer's."""
        swapped = getattr(self.trainer, "chat_template", None) if self.is_sft else None
        return swapped if isinstance(swapped, str) and swapped else self.own_template

    @cached_property
    def template(self) -> ChatTemplate | None:
        """The template of the training data, compiled; None if there is none."""
        return self._compiled(self.used_template)

    @cached_property
    def inference_template(self) -> ChatTemplate | None:
        """The tokenizer's own template, compiled; None if there is none."""
        return self._compiled(self.own_template)

    def _compiled(self, source: str) -> ChatTemplate | None:
        if not source or self.tokenizer is None:
            return None
        try:
            return ChatTemplate(source, special_tokens=self.tokenizer.special_tokens)
        except InputError:
            return None

    @cached_property
    def reader(self) -> Reader | None:
        """Reads conversations back from ids; None without tokenizer or template, or where turns cannot be told apart."""
        if self.tokenizer is None or self.template is None:
            return None
        reader = Reader(self.tokenizer, self.template)
        return reader if reader.can_read else None

    @property
    def pad_id(self) -> int | None:
        """The token that fills rows up, as the collator or the tokenizer has it."""
        found = getattr(self.trainer.data_collator, "pad_token_id", None)
        found = getattr(self.foreign_tokenizer, "pad_token_id", None) if found is None else found
        return found if isinstance(found, int) else None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = next(self.model.parameters()).device
        return device

    def intent(self, pieces: Sequence[Piece]) -> Intent:
        """Return what is to be learned: what the options say, else what the labels show."""
        if self.asks_for:
            return self.asks_for
        return "all" if learns_everything(pieces) else "own"


def learns_everything(pieces: Sequence[Piece]) -> bool:
    """Return whether every token but the first of each piece is learned."""
    targets = sum(piece.num_targets for piece in pieces)
    return bool(targets) and targets == sum(max(0, len(piece.ids) - 1) for piece in pieces)
