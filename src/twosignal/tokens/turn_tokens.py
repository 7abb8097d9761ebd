"""What stands between turns: takes a chat template, gives the control tokens it ends and begins turns with."""

from collections.abc import Collection, Sequence

from twosignal.tokens.layout import PLACEHOLDER, placeholders
from twosignal.tokens.template import REFUSALS, ChatTemplate


def end_of_turn_text(
    template: ChatTemplate, control_texts: Sequence[str], *, stops: Collection[str] = ()
) -> str:
    """Return the control token that the template writes after an answer, or an empty text.

    Where the first one does not stop generation, but one of `stops` stands directly behind it in every turn, as in
    `<|END_RESPONSE|><|END_OF_TURN_TOKEN|>`, the turn ends with that.
    """
    text = _render_any(template, (("system", "user", "assistant"), ("user", "assistant")))
    if text is None or not (answers := list(PLACEHOLDER.finditer(text))):
        return ""
    after = text[answers[-1].end() :]
    found = [(after.index(control), -len(control), control) for control in control_texts if control in after]
    if not found:
        return ""
    first = min(found)[2]
    turns = _render_any(template, (("user", "assistant", "user", "assistant"),)) or ""
    behind = [stop for stop in stops if first not in stops and turns.count(first + stop) > 1]
    return max(behind, key=len, default=first)


def turn_markers(template: ChatTemplate, candidates: Sequence[str]) -> list[str]:
    """Return which of these texts the template writes between turns, so that no content may."""
    text = _render_any(template, (("system", "user", "assistant", "user"), ("user", "assistant", "user")))
    return [c for c in candidates if text is not None and c in text and not c.isspace()]


def _render_any(template: ChatTemplate, chats: Sequence[Sequence[str]]) -> str | None:
    """Return the rendering of the last of these chats that the template accepts; None if it accepts none."""
    text = None
    for roles in chats:
        try:
            text = template.render(placeholders([(role, False) for role in roles])).text
        except REFUSALS:
            continue
    return text
