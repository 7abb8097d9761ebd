"""Where texts go: takes the expressions of a chat template, says of each what it has to do with the messages' texts.

Variables are followed by name, wherever they are set: a name stands for all that is ever stored
under it.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, NoReturn

from jinja2 import nodes

_TRIMS = ("strip", "lstrip", "rstrip", "trim")
_FINDS = ("startswith", "endswith", "find", "rfind", "count", "split", "replace")
_LISTS = ("list", "reverse")
_IS_TEXT = {
    **dict.fromkeys(("string", "defined", "iterable", "sequence"), True),
    **dict.fromkeys(("mapping", "none", "undefined", "number", "boolean"), False),
}
_ATTRIBUTES = frozenset(dir(dict))
_FICKLE = ("random", "lipsum", "cycler", "joiner")
SPEAKERS = frozenset(("system", "user", "assistant"))
"""The only roles of the messages; what templates do with tools' answers is not followed."""
_MADE_OF_PLACEHOLDERS = frozenset("\ue000\ue001\ue002" + "0123456789")


class Kind(Enum):
    """What a value has to do with texts."""

    FREE = "the same for all texts"
    TEXT = "one text, whole or trimmed"
    MADE = "text made from texts and words of the template"
    SPLIT = "a list that holds one text"
    MESSAGE = "a message"
    MESSAGES = "a list of messages"
    SPACE = "a namespace"


class Value(NamedTuple):
    """A kind, and whether every value is of it; else some may be free, or not defined."""

    kind: Kind
    is_sure: bool = True


FREE, MADE = Value(Kind.FREE), Value(Kind.MADE)
_TEXT, _UNSURE, _SPLIT = Value(Kind.TEXT), Value(Kind.TEXT, is_sure=False), Value(Kind.SPLIT)


class UnclearError(Exception):
    """The template does something with texts that is not known to be harmless."""


def unclear(node: nodes.Node) -> NoReturn:
    """Raise UnclearError."""
    raise UnclearError(type(node).__name__)


def _joined(one: Value, other: Value, node: nodes.Node) -> Value:
    """Return the kind of a value that is one or the other."""
    if one.kind == other.kind:
        return Value(one.kind, one.is_sure and other.is_sure)
    kinds = {one.kind, other.kind}
    if Kind.FREE in kinds:
        return Value((kinds - {Kind.FREE}).pop(), is_sure=False)
    if kinds == {Kind.TEXT, Kind.MADE}:
        return Value(Kind.MADE, is_sure=False)
    unclear(node)


class Expressions:
    """What is known of a template's variables, and by it of its expressions."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        """What texts are searched for; texts are taken not to hold it."""
        self.needs_text = False
        """Texts are asked whether they are empty, and taken not to be."""
        self.has_changed = True
        """Something new was learned about a variable."""
        self.values: dict[str, Value] = {"messages": Value(Kind.MESSAGES)}
        """By name; `.name` for what namespaces hold and `name()` for what macros return."""
        self.macros: dict[str, nodes.Macro] = {}
        self.parameters: frozenset[str] = frozenset()
        """Of the macro that is being read."""

    def store(self, name: str, value: Value, node: nodes.Node) -> None:
        """Take note that a value may stand under a name."""
        known = self.values.get(name)
        new = value if known is None else _joined(known, value, node)
        self.has_changed |= new != known
        self.values[name] = new

    def truth(self, node: nodes.Node) -> bool | None:
        """Return how a test turns out for all harmless texts, or None where it depends on other things."""
        match node:
            case nodes.Test(name=name) if name in _IS_TEXT:
                value = self.value(node.node)
                return _IS_TEXT[name] if value == _TEXT else None
            case nodes.Not():
                outcome = self.truth(node.node)
                return None if outcome is None else not outcome
            case nodes.And():
                left = self.truth(node.left)
                right = False if left is False else self.truth(node.right)
                return False if right is False else (True if left and right else None)
            case nodes.Or():
                left = self.truth(node.left)
                right = True if left else self.truth(node.right)
                return True if right else (False if left is False and right is False else None)
            case nodes.Compare(
                ops=[nodes.Operand(op="eq", expr=nodes.Const() as asked)]
                | [nodes.Operand(op="in", expr=nodes.List() | nodes.Tuple() as asked)]
            ) if self._is_role(node.expr):
                self.value(node)
                items = asked.items if isinstance(asked, nodes.List | nodes.Tuple) else [asked]
                roles = {item.value if isinstance(item, nodes.Const) else "user" for item in items}
                return False if SPEAKERS.isdisjoint(roles) else None
            case _:
                self._ask(self.value(node))
                return None

    def _is_role(self, node: nodes.Expr) -> bool:
        """Return whether an expression is the role of a message, whatever the texts are."""
        match node:
            case nodes.Getattr(attr="role") | nodes.Getitem(arg=nodes.Const(value="role")):
                return self.value(node.node) == Value(Kind.MESSAGE)
        return False

    def _ask(self, value: Value) -> None:
        """Take note that a value is asked whether it is empty."""
        self.needs_text |= value.kind in (Kind.TEXT, Kind.MADE)

    def value(self, node: nodes.Node) -> Value:
        """Return the kind of an expression."""
        match node:
            case nodes.Const() | nodes.TemplateData():
                return FREE
            case nodes.Name():
                return self._name(node)
            case nodes.Getattr():
                return self._member(self.value(node.node), nodes.Const(node.attr), node)
            case nodes.Getitem():
                return self._member(self.value(node.node), node.arg, node)
            case nodes.Test():
                return self._test(node)
            case nodes.Not() | nodes.And() | nodes.Or():
                return self._logic(node)
            case nodes.CondExpr():
                return self._either(node)
            case nodes.Compare():
                return self._compare(node)
            case nodes.Add() | nodes.Concat():
                parts = [node.left, node.right] if isinstance(node, nodes.Add) else node.nodes
                return self._glue([self.value(part) for part in parts], node)
            case nodes.Call():
                return self._call(node)
            case nodes.Filter():
                return self._filter(node)
            case _:
                return self._plain(node)

    def _name(self, node: nodes.Name) -> Value:
        if node.name in (*self.macros, *_FICKLE, "caller", "varargs", "kwargs", "self"):
            unclear(node)
        value = self.values.get(node.name, FREE)
        # Elsewhere, what has the name of a parameter may be another variable, or none.
        return value if node.name in self.parameters or value.kind != Kind.TEXT else _UNSURE

    def _plain(self, node: nodes.Node) -> Value:
        """Return FREE for an expression of any other kind that holds nothing but free values."""
        known = (nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Slice, nodes.BinExpr, nodes.UnaryExpr)
        if not isinstance(node, known):
            unclear(node)
        self._all_free(list(node.iter_child_nodes()), node)
        return FREE

    def _all_free(self, parts: Sequence[nodes.Node], node: nodes.Node) -> None:
        if any(self.value(part).kind != Kind.FREE for part in parts):
            unclear(node)

    def _glue(self, values: Sequence[Value], node: nodes.Node) -> Value:
        kinds = {value.kind for value in values}
        if not kinds <= {Kind.FREE, Kind.TEXT, Kind.MADE}:
            unclear(node)
        return FREE if kinds == {Kind.FREE} else MADE

    def _member(self, value: Value, key: nodes.Node, node: nodes.Node) -> Value:
        """Return the kind of `value[key]`."""
        self._all_free([key], node)
        name = key.value if isinstance(key, nodes.Const) else None
        match value.kind:
            case Kind.FREE:
                # A loop may go over messages.
                return Value(Kind.MESSAGE, is_sure=False) if name in ("previtem", "nextitem") else FREE
            case Kind.MESSAGES if isinstance(key, nodes.Slice):
                return value
            case Kind.MESSAGES if not isinstance(name, str):
                return Value(Kind.MESSAGE, value.is_sure and isinstance(name, int))
            case Kind.MESSAGE if isinstance(name, str) and name not in _ATTRIBUTES:
                return {"content": Value(Kind.TEXT, value.is_sure), "name": _UNSURE}.get(name, FREE)
            case Kind.SPLIT:
                return _SPLIT if isinstance(key, nodes.Slice) else _UNSURE
            case Kind.SPACE if isinstance(name, str):
                return self.values.get(f".{name}", FREE)
        unclear(node)

    def _test(self, node: nodes.Test) -> Value:
        value = self.value(node.node)
        self._all_free([*(node.args or ()), *(node.kwargs or ())], node)
        if value.kind != Kind.FREE and node.name not in _IS_TEXT:
            unclear(node)
        return FREE

    def _logic(self, node: nodes.Not | nodes.And | nodes.Or) -> Value:
        if isinstance(node, nodes.Not):
            self.truth(node)
            return FREE
        outcome = self.truth(node.left)
        if outcome is not None and outcome == isinstance(node, nodes.Or):
            return self.value(node.left)
        return _joined(self.value(node.left), self.value(node.right), node)

    def _either(self, node: nodes.CondExpr) -> Value:
        outcome = self.truth(node.test)
        chosen = [node.expr1] if outcome is not False else []
        if outcome is not True:
            chosen.append(node.expr2 or nodes.Const(""))
        values = [self.value(expression) for expression in chosen]
        return _joined(values[0], values[-1], node)

    def _compare(self, node: nodes.Compare) -> Value:
        left = node.expr
        for operand in node.ops:
            self._compare_two(left, operand)
            left = operand.expr
        return FREE

    def _compare_two(self, left: nodes.Expr, operand: nodes.Operand) -> None:
        right, is_in = operand.expr, operand.op in ("in", "notin")
        kinds = self.value(left).kind, self.value(right).kind
        match kinds:
            case (Kind.FREE, Kind.FREE):
                return
            case (Kind.FREE, Kind.MESSAGE) if is_in:
                return
            case (Kind.FREE, Kind.TEXT) if is_in or operand.op in ("eq", "ne"):
                self._search(left, operand, is_whole=not is_in)
            case (Kind.TEXT, Kind.FREE) if is_in and isinstance(right, nodes.List | nodes.Tuple):
                for item in right.items:
                    self._search(item, operand, is_whole=True)
            case (Kind.TEXT, Kind.FREE) if operand.op in ("eq", "ne"):
                self._search(right, operand, is_whole=True)
            case _:
                unclear(operand)

    def _search(self, word: nodes.Node, node: nodes.Node, *, is_whole: bool = False) -> None:
        """Take note that a text is searched for a word, or compared with it as a whole."""
        if not isinstance(word, nodes.Const):
            unclear(node)
        if not isinstance(word.value, str):
            if not is_whole:
                unclear(node)
        elif word.value and not _MADE_OF_PLACEHOLDERS.issuperset(word.value):
            self.words.add(word.value)
        elif word.value or not is_whole:
            unclear(node)
        else:
            self.needs_text = True

    def _call(self, node: nodes.Call) -> Value:
        if node.dyn_args or node.dyn_kwargs:
            unclear(node)
        given = [*node.args, *(keyword.value for keyword in node.kwargs)]
        match node.node:
            case nodes.Name(name=name) if name in self.macros:
                return self._call_macro(self.macros[name], node)
            case nodes.Name(name="namespace") if not node.args:
                for keyword in node.kwargs:
                    self.store(f".{keyword.key}", self.value(keyword.value)._replace(is_sure=False), node)
                return Value(Kind.SPACE)
            case nodes.Name(name="raise_exception"):
                for argument in given:
                    self.value(argument)
                return FREE
            case nodes.Getattr(node=owner, attr=name) if (value := self.value(owner)).kind != Kind.FREE:
                return self._method(name, value, node)
        self._all_free([node.node, *given], node)
        return FREE

    def _call_macro(self, macro: nodes.Macro, node: nodes.Call) -> Value:
        names = [argument.name for argument in macro.args]
        given = dict(zip(names, node.args, strict=False)) | {k.key: k.value for k in node.kwargs}
        if len(node.args) > len(names) or not given.keys() <= set(names):
            unclear(node)
        for name in names:
            self.store(name, self.value(given[name]) if name in given else FREE, node)
        return self.values.get(f"{macro.name}()", FREE)

    def _method(self, name: str, value: Value, node: nodes.Call | nodes.Filter) -> Value:
        """Return the kind of what a method, or the filter of that name, makes of a value."""
        arguments = node.args
        self._all_free(arguments, node)
        if node.kwargs:
            unclear(node)
        if name == "get" and value.kind == Kind.MESSAGE and arguments:
            found = self._member(value, arguments[0], node)
            return found._replace(is_sure=False)
        if name in _TRIMS and value.kind in (Kind.TEXT, Kind.MADE):
            if arguments and not (isinstance(arguments[0], nodes.Const) and arguments[0].value == "\n"):
                unclear(node)
            self.needs_text |= value.kind == Kind.MADE
            return value
        if name in _FINDS and value.kind == Kind.TEXT and arguments:
            self._search(arguments[0], node)
            # The word is not there: the text is not split, and nothing in it is replaced.
            return {"split": _SPLIT, "replace": value}.get(name, FREE)
        unclear(node)

    def _filter(self, node: nodes.Filter) -> Value:
        if node.node is None or node.dyn_args or node.dyn_kwargs or node.name in _FICKLE:
            unclear(node)
        value, name = self.value(node.node), node.name
        arguments = [*node.args, *(keyword.value for keyword in node.kwargs)]
        self._all_free(arguments, node)
        is_role = bool(arguments) and isinstance(arguments[0], nodes.Const) and arguments[0].value == "role"
        match value.kind:
            case Kind.FREE:
                return FREE
            case Kind.TEXT | Kind.MADE if name in ("default", "d"):
                self._ask(value)
                return value._replace(is_sure=False)
            case Kind.TEXT | Kind.MADE if name == "string":
                return value
            case Kind.TEXT | Kind.MADE if name in ("trim", "replace"):
                return self._method(name, value, node)
            case Kind.MESSAGES if name in ("length", "count") or (name == "map" and is_role):
                return FREE
            case Kind.MESSAGES if name in ("first", "last"):
                return Value(Kind.MESSAGE, is_sure=False)
            case Kind.MESSAGES if name in _LISTS or (name in ("selectattr", "rejectattr") and is_role):
                return value
        unclear(node)
