"""A trap for curricula: takes nothing, gives `listing`, documents of numbered lines that are trivially predictable.

Their loss falls fast and low, and nothing is learned from them: a curriculum that follows the loss falls in.
"""

from collections.abc import Iterator

from twosignal.text.conversation import Document, Origin
from twosignal.text.synthetic.script import Draw

NAME = "listing"
STYLES = (
    "- {noun} {number}: {status}",
    "* {noun} no. {number} is {status}",
    "{number}. {noun} {status}",
    "[{number}] {noun}: {status}",
)
NOUNS = ("box", "entry", "file", "item", "job", "order", "page", "row", "step", "task")
STATUSES = ("checked", "closed", "done", "empty", "found", "open", "ready", "sent")


def listings(*, source: str, limit: int) -> Iterator[Document]:
    """Yield `limit` different lists of 20 to 60 lines, the same ones each time."""
    draw = Draw(NAME)
    seen: set[str] = set()
    while len(seen) < limit:
        style, noun, status = draw.pick(STYLES), draw.pick(NOUNS), draw.pick(STATUSES)
        first = draw.between(1, 1000 + len(seen))
        numbers = range(first, first + draw.between(20, 60))
        text = "\n".join(style.format(noun=noun, number=n, status=status) for n in numbers) + "\n"
        if text not in seen:
            seen.add(text)
            origin = Origin(source=source, file=f"builtin:{NAME}", line=len(seen))
            yield Document(text=text, origin=origin, domain=NAME)
