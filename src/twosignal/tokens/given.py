"""Records that came as token ids: takes a `Tokenized`, gives its `Example`, or says why the ids or the mask cannot be used.

Nothing is assumed about where the ids came from. Where the conversation stands beside them, it is
rendered here too, and both must agree token by token.
"""

from collections.abc import Sequence

import numpy as np

from twosignal.errors import SourceError
from twosignal.text.conversation import Tokenized
from twosignal.tokens.difference import Difference, first_difference
from twosignal.tokens.example import Example
from twosignal.tokens.rules import Supervise
from twosignal.tokens.tokenizer import Tokenizer


def given_example(tokenizer: Tokenizer, record: Tokenized, *, supervise: Supervise) -> Example:
    """Return the record's ids with its own mask; without one all is learned, if that is the source's rule.

    Raises SourceError for ids outside the vocabulary, and where nothing says what is learned.
    """
    ids = np.array(record.ids, np.int64)
    beyond = np.flatnonzero(ids >= tokenizer.vocab_size)
    if len(beyond):
        raise SourceError(
            f"token id {ids[beyond[0]]} at place {beyond[0]} is not in the vocabulary",
            where=str(record.origin),
            expected=f"ids below {tokenizer.vocab_size:,}",
            remedy="Give the tokenizer that the ids were made with, or the texts themselves.",
        )
    if record.supervised is None and supervise != "all":
        raise SourceError(
            "nothing says which of these token ids are learned",
            where=str(record.origin),
            expected='"labels" or a mask beside "input_ids"',
            remedy='Add one of them, or learn every token with supervise = "all".',
        )
    mask = np.ones(len(ids), np.bool_) if record.supervised is None else np.array(record.supervised, np.bool_)
    mask[0] = False
    return Example(
        ids=ids.astype(np.int32),
        supervised=mask,
        origin=record.origin,
        is_conversation=bool(record.messages) or not mask[1:].all(),
        domain=record.domain,
    )


def compare_given(
    tokenizer: Tokenizer, given: Example, rendered: Sequence[Example], *, with_masks: bool
) -> Difference | None:
    """Return the first token on which a given example parts from all renderings of its messages; None if one agrees.

    It is that of the rendering which it follows furthest. Without masks only the ids are compared.
    """
    differences = []
    for example in rendered:
        pairs = [
            (made.ids.tolist(), made.supervised.tolist() if with_masks else [False] * len(made.ids))
            for made in (given, example)
        ]
        found = first_difference(tokenizer, pairs[0], pairs[1])
        if found is None:
            return None
        differences.append(found)
    return max(differences, key=lambda difference: difference.token)


def refuse_given(record: Tokenized, difference: Difference) -> SourceError:
    """Return the error for a record whose ids or mask are not those of its own messages."""
    return SourceError(
        f"the ids and mask given are not those of the messages beside them: {difference}",
        where=str(record.origin),
        expected="the same, the given being the first method and the rendering here the second",
        remedy="Leave out the messages to trust the ids and mask, or leave out the ids to have them made here.",
    )
