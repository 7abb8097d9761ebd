"""Chat templates: takes messages, gives the text a chat template makes of them and the parts it marks as generated.

The environment has the settings and globals that transformers gives to templates, so a
template renders here as it does there (tests/tokens/test_template.py compares them).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import NamedTuple, NoReturn

import jinja2
import jinja2.ext
import jinja2.meta
import jinja2.nodes
import jinja2.parser
import jinja2.runtime
import jinja2.utils
from jinja2.sandbox import ImmutableSandboxedEnvironment

from twosignal.errors import InputError
from twosignal.text.conversation import Message
from twosignal.tokens.influence import harmless_texts
from twosignal.tokens.template_values import Style, Values, as_values
from twosignal.tokens.trial import find_style

REFUSALS = (
    jinja2.TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
)
"""What a template may raise: its own words, or Python's when it does not foresee a conversation."""

THINKING_SWITCHES = ("enable_thinking", "thinking")
"""Settings by which templates are told whether the next answer begins with reasoning."""

CHATML = """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}\
{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}\
{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
"""For a tokenizer without a template that has the two ChatML tokens."""

PLAIN = """{{ bos_token }}{% for message in messages %}{{ message['role'] | capitalize + ':' }}\
{% if message['role'] == 'assistant' %}{% generation %}{{ ' ' + message['content'] + eos_token }}{% endgeneration %}\
{% else %}{{ ' ' + message['content'] }}{% endif %}{{ '\\n\\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"""
"""For a tokenizer that has nothing but an end-of-text token: roles are words, answers end with that token."""


class LayoutError(ValueError):
    """A template does not say where the answers of a conversation begin or end."""

    def __init__(self, reason: str, *, remedy: str = "") -> None:
        self.remedy = remedy or (
            "Put {% generation %} markers around the answers in the model's chat_template.jinja; where "
            'only earlier turns are rewritten, supervise = "last" helps too.'
        )
        super().__init__(reason)


class Rendering(NamedTuple):
    """What a template made of a conversation."""

    text: str
    """The whole text, control tokens written out."""
    generated: tuple[tuple[int, int], ...]
    """Start and end of every `{% generation %}` block, in characters; empty without markers."""


class _GenerationBlocks(jinja2.ext.Extension):
    """`{% generation %} ... {% endgeneration %}`: remembers where its text lands."""

    tags = {"generation"}  # noqa: RUF012 - declared as a plain attribute by jinja2

    def __init__(self, environment: jinja2.Environment) -> None:
        super().__init__(environment)
        self.has_markers = False
        self._blocks: list[str] = []
        self._generated: list[tuple[int, int]] = []

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        self.has_markers = True
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_record"), [], [], body).set_lineno(line)

    def _record(self, caller: jinja2.runtime.Macro) -> str:
        text: str = caller()
        start = sum(map(len, self._blocks))
        self._generated.append((start, start + len(text)))
        return text

    @contextmanager
    def recording(self) -> Iterator[tuple[list[str], list[tuple[int, int]]]]:
        self._blocks, self._generated = [], []
        yield self._blocks, self._generated


class _Namespace(jinja2.utils.Namespace):
    """Refuses underscore names, through which a template could reach into Python."""

    def __init__(*args: object, **kwargs: object) -> None:
        self, rest = args[0], args[1:]
        attributes = dict(*rest, **kwargs)
        for name in attributes:
            _refuse_private(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: object) -> None:
        _refuse_private(name)
        super().__setitem__(name, value)


class _Dict:
    """`dict(...)` in a template, without the class behind it."""

    def __call__(self, *args: object, **kwargs: object) -> dict[str, object]:
        return dict(*args, **kwargs)


def _refuse_private(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        message = f"a chat template may not store the underscore name {name!r}"
        raise jinja2.exceptions.SecurityError(message)


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(
    value: object,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - called by templates, by position
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


class ChatTemplate:
    """A compiled chat template; the clock it may read stands still.

    `has_markers` is true when the template says with `{% generation %}` what the model writes,
    `has_switch` when it can be told that the next answer has no reasoning, `reads_clock` when it may write the date.
    """

    def __init__(
        self, source: str, *, special_tokens: Mapping[str, str], now: datetime | None = None
    ) -> None:
        self.now = now or datetime.now()
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_GenerationBlocks, jinja2.ext.loopcontrols],
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = self.now.strftime
        environment.globals["dict"] = _Dict()
        environment.globals["namespace"] = _Namespace
        try:
            parsed = environment.parse(source)
            self._compiled = environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            message = f"the chat template is not valid Jinja: {error.message}"
            raise InputError(
                message,
                where=f"chat template, line {error.lineno}",
                remedy="Correct chat_template.jinja, or remove it to use the built-in fallback.",
            ) from error
        blocks = next(e for e in environment.extensions.values() if isinstance(e, _GenerationBlocks))
        self._blocks = blocks
        self._special_tokens = dict(special_tokens)
        self._source = source
        self.has_markers = blocks.has_markers
        self.harmless = harmless_texts(parsed)
        """Texts that need no rendering to know what becomes of them; None if any may influence the rest."""
        self.has_switch = not jinja2.meta.find_undeclared_variables(parsed).isdisjoint(THINKING_SWITCHES)
        self.reads_clock = any(name.name == "strftime_now" for name in parsed.find_all(jinja2.nodes.Name))

    @cached_property
    def style(self) -> Style:
        """What the template wants to be given."""
        return find_style(self._source, self._rendered_or_none)

    def _rendered_or_none(self, values: Values) -> str | None:
        try:
            return self.render_values(values).text
        except REFUSALS:
            return None

    def render(self, messages: Sequence[Message], *, generation_prompt: bool = False) -> Rendering:
        """Return the text of the messages; raises one of `REFUSALS` when the template does not accept them.

        `generation_prompt` adds the header under which the model would answer.
        """
        return self.render_values(as_values(messages, style=self.style), generation_prompt=generation_prompt)

    def render_values(
        self, values: Values, *, generation_prompt: bool = False, thinking: bool | None = None
    ) -> Rendering:
        """Return the text of a conversation with its tools, as `render` does.

        `thinking` says whether the next answer begins with reasoning; None leaves it to the template.
        """
        switches = {} if thinking is None else dict.fromkeys(THINKING_SWITCHES, thinking)
        with self._blocks.recording() as (pieces, generated):
            for piece in self._compiled.generate(
                messages=values.messages,
                tools=values.tools,
                documents=None,
                add_generation_prompt=generation_prompt,
                **self._special_tokens,
                **switches,
            ):
                pieces.append(piece)
        return Rendering("".join(pieces), tuple(generated))
