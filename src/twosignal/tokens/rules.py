"""Which turns are learned: takes messages and a source's rule, gives a yes or no for each message."""

from collections.abc import Sequence
from typing import Literal

from twosignal.config import RoleRule
from twosignal.text.conversation import Message

Supervise = Literal["all", "assistant", "last"] | RoleRule


def learned_turns(messages: Sequence[Message], supervise: Supervise) -> list[bool]:
    """Return for every message whether the rule has it learned; a message of weight 0 never is.

    Under "last" it is the last assistant turn that may be learned.
    """
    if isinstance(supervise, RoleRule):
        chosen = [m.role == supervise.role and supervise.name in (None, m.name) for m in messages]
        flags = [is_chosen and m.weight > 0 for is_chosen, m in zip(chosen, messages, strict=True)]
    elif supervise == "all":
        flags = [m.weight > 0 for m in messages]
    else:
        flags = [m.role == "assistant" and m.weight > 0 for m in messages]
    if supervise != "last" or True not in flags:
        return flags
    last = len(flags) - 1 - flags[::-1].index(True)
    return [index == last for index in range(len(flags))]
