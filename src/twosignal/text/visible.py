"""Text that is safe to print: takes anything a model or a file may say, gives it with what steers a terminal spelled out."""

import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line end: the escapes of terminals begin with one
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\ud800-\udfff]"  # half characters, which cannot be printed at all
)


def spelled_out(text: str) -> str:
    """Return the text with control characters, turns of direction and half characters spelled out, such as \\u001b."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
