"""What texts do to a template: takes its syntax tree, says for which texts nothing but their own place depends on them.

Every expression of the template is followed from the messages to what is printed. A text may be
stored, trimmed and printed. It may be asked whether it is empty or holds some set words; then it
is harmless if it is not empty and does not hold them. Anything else that a template does with a
text is taken as influence, and so is everything that is not understood.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import nodes

from twosignal.tokens.flow import FREE, MADE, Expressions, Kind, UnclearError, Value, unclear


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmless:
    """Which texts a template treats as it treats any other."""

    words: frozenset[str]
    """What it looks for in texts."""
    needs_text: bool
    """It asks whether texts are empty."""

    def allows(self, texts: Sequence[str]) -> bool:
        """Return whether these texts influence nothing but the place where each is printed."""
        if self.needs_text and not all(map(str.strip, texts)):
            return False
        joined = "\x00".join(texts) if self.words else ""
        return not any(word in joined for word in self.words)


def harmless_texts(template: nodes.Template) -> Harmless | None:
    """Return which contents and names are harmless; None if any may influence more than its own place.

    Holds for messages that have a role of `SPEAKERS`, a content and perhaps a name, and nothing else.
    """
    reader = _Reader()
    try:
        while reader.has_changed:
            reader.has_changed = False
            reader.body(template.body)
    except UnclearError:
        return None
    return Harmless(words=frozenset(reader.words), needs_text=reader.needs_text)


class _Reader(Expressions):
    """Reads a template again and again until nothing new is learned about its variables."""

    def __init__(self) -> None:
        super().__init__()
        self._has_printed_text = False

    def body(self, statements: Sequence[nodes.Node]) -> Value:
        """Read statements; return FREE, or MADE if they print a text."""
        outer, self._has_printed_text = self._has_printed_text, False
        for statement in statements:
            self._statement(statement)
        inner = self._has_printed_text
        self._has_printed_text = outer or inner
        return MADE if inner else FREE

    def _captured(self, statements: Sequence[nodes.Node]) -> Value:
        """Read statements whose output becomes a value."""
        outer = self._has_printed_text
        value = self.body(statements)
        self._has_printed_text = outer
        return value

    def _statement(self, node: nodes.Node) -> None:
        match node:
            case nodes.Output():
                for printed in node.nodes:
                    self._print(printed)
            case nodes.If():
                self._choose(node)
            case nodes.For(recursive=False):
                self._loop(node)
            case nodes.Assign():
                # A variable may be read where nothing was stored.
                self._assign(node.target, self.value(node.node)._replace(is_sure=False))
            case nodes.AssignBlock(filter=None):
                self._assign(node.target, self._captured(node.body)._replace(is_sure=False))
            case nodes.Macro():
                self._macro(node)
            case nodes.CallBlock(call=nodes.Call(node=nodes.ExtensionAttribute()), args=[]):
                self.body(node.body)
            case nodes.Scope() | nodes.ScopedEvalContextModifier():
                self.body(node.body)
            case nodes.ExprStmt():
                self.value(node.node)
            case nodes.Break() | nodes.Continue():
                pass
            case _:
                unclear(node)

    def _print(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.TemplateData):
            return
        kind = self.value(node).kind
        if kind not in (Kind.FREE, Kind.TEXT, Kind.MADE):
            unclear(node)
        self._has_printed_text |= kind != Kind.FREE

    def _choose(self, node: nodes.If) -> None:
        branches = [(node.test, node.body), *((other.test, other.body) for other in node.elif_)]
        for test, statements in branches:
            outcome = self.truth(test)
            if outcome is not False:
                self.body(statements)
            if outcome is True:
                return
        self.body(node.else_)

    def _loop(self, node: nodes.For) -> None:
        kind = self.value(node.iter).kind
        if kind == Kind.MESSAGES and isinstance(node.target, nodes.Name):
            self.store(node.target.name, Value(Kind.MESSAGE), node)
        elif kind == Kind.FREE:
            self._assign(node.target, FREE)
        else:
            unclear(node)
        if node.test is not None:
            self.truth(node.test)
        self.body(node.body)
        self.body(node.else_)

    def _assign(self, target: nodes.Node, value: Value) -> None:
        match target:
            case nodes.Name():
                self.store(target.name, value, target)
            case nodes.NSRef():
                self.store(f".{target.attr}", value, target)
            case nodes.Tuple() if value.kind == Kind.FREE:
                for item in target.items:
                    self._assign(item, FREE)
            case _:
                unclear(target)

    def _macro(self, node: nodes.Macro) -> None:
        self.macros[node.name] = node
        required = len(node.args) - len(node.defaults)
        for argument, default in zip(node.args[required:], node.defaults, strict=True):
            self.store(argument.name, self.value(default), node)
        outer, self.parameters = self.parameters, frozenset(argument.name for argument in node.args)
        self.store(f"{node.name}()", self._captured(node.body), node)
        self.parameters = outer
