"""What is learned from: takes nothing, gives `Example`: token ids with the supervision mask born beside them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twosignal.text.conversation import Origin

Ids = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One rendered conversation or document, unshifted."""

    ids: Ids
    """Token ids, shape [tokens]."""
    supervised: Mask
    """True where the model is to learn to produce this token, shape [tokens].

    The first token is never supervised: nothing stands before it to predict it from.
    """
    origin: Origin
    is_conversation: bool
    domain: str = ""

    def __post_init__(self) -> None:
        if self.ids.shape != self.supervised.shape or self.ids.ndim != 1:
            message = f"{self.origin}: {self.ids.shape} ids, {self.supervised.shape} mask"
            raise ValueError(message)
        if not len(self.ids) or self.supervised[0]:
            message = f"{self.origin}: an example needs tokens, the first unsupervised"
            raise ValueError(message)

    @property
    def num_targets(self) -> int:
        """How many tokens of this example the loss is taken over."""
        return int(np.count_nonzero(self.supervised))
