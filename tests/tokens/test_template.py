"""Tests of chat templates: takes templates and messages, gives what transformers makes of them, to the character."""

from datetime import datetime
from typing import Any

import jinja2
import pytest

from twosignal.errors import InputError
from twosignal.text.conversation import Message
from twosignal.tokens.template import CHATML, PLAIN, REFUSALS, ChatTemplate
from twosignal.tokens.training import CHAT_TEMPLATE

from . import saved

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
CHAT = saved.chat(
    ("user", 'Say "caf\u00e9" & <b>', "Bo"), ("assistant", " Yes\n"), ("user", "{{ 1 }}"), ("assistant", "")
).messages
MARKED = (
    "{{ bos_token }}\n"
    "{% for m in messages %}\n"
    "  {%- if m.role == 'assistant' %}\n"
    "A:{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}\n"
    "  {% else %}\n"
    "U:{{ m.content | tojson }} {{ m.name }}\n"
    "  {% endif %}\n"
    "{% endfor %}\n"
)
LOOP = "{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}{{ m.content }}{% endfor %}"
STATE = (
    "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}"
    "{{ ns.n }}{{ dict(a=1)['a'] }}{{ undefined_thing }}{{ pad_token is defined }}{{ tools is none }}"
)


@pytest.mark.parametrize("generation_prompt", [False, True])
@pytest.mark.parametrize(
    "source",
    [
        CHAT_TEMPLATE,
        CHATML,
        PLAIN,
        MARKED,
        LOOP,
        STATE,
        saved.CHATML,
        saved.LLAMA3,
        saved.GEMMA,
        saved.MISTRAL,
    ],
)
def test_templates_render_as_in_transformers(source: str, generation_prompt: bool) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    messages: list[Any] = [
        {"role": m.role, "content": m.content, **({"name": m.name} if m.name else {})} for m in CHAT
    ]
    marked = "generation" in source and "endgeneration" in source
    texts, spans = render_jinja_template(
        [messages],
        chat_template=source,
        return_assistant_tokens_mask=marked,
        add_generation_prompt=generation_prompt,
        **TOKENS,
    )
    template = ChatTemplate(source, special_tokens=TOKENS)
    rendering = template.render(CHAT, generation_prompt=generation_prompt)
    assert rendering.text == texts[0]
    assert list(rendering.generated) == (spans[0] if marked else [])
    assert template.has_markers == marked


def test_generated_stretches_hold_answers_and_their_ends() -> None:
    rendering = ChatTemplate(PLAIN, special_tokens=TOKENS).render(CHAT)
    assert [rendering.text[a:b] for a, b in rendering.generated] == ["  Yes\n</s>", " </s>"]


def test_markers_with_a_plus_sign_are_seen() -> None:
    source = "{%+ generation %}{{ messages[0].content }}{%+ endgeneration %}"
    template = ChatTemplate(source, special_tokens={})
    assert template.has_markers
    assert template.render(CHAT[:1]).generated == ((0, len(CHAT[0].content)),)


def test_the_clock_stands_still() -> None:
    source = "{{ strftime_now('%d %b %Y %H:%M:%S.%f') }}"
    template = ChatTemplate(source, special_tokens={}, now=datetime(2026, 11, 3, 1, 2, 3))
    assert template.render(CHAT).text == "03 Nov 2026 01:02:03.000000"
    unset = ChatTemplate(source, special_tokens={})
    assert unset.render(CHAT).text == unset.render(CHAT).text


def test_a_template_that_refuses_says_so_in_its_own_words() -> None:
    template = ChatTemplate(saved.GEMMA, special_tokens=TOKENS)
    with pytest.raises(REFUSALS, match="System role not supported"):
        template.render([Message(role="system", content="Be good.")])


@pytest.mark.parametrize(
    "source",
    [
        "{% set ns = namespace(_x=1) %}",
        "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
        "{{ messages.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
    ],
)
def test_a_template_cannot_reach_into_python(source: str) -> None:
    template = ChatTemplate(source, special_tokens={})
    with pytest.raises(jinja2.exceptions.SecurityError):
        template.render(CHAT)


def test_a_template_that_is_not_jinja_is_an_error_with_its_line() -> None:
    with pytest.raises(InputError, match=r"chat template, line 2: the chat template is not valid Jinja"):
        ChatTemplate("one\n{% for %}", special_tokens={})
