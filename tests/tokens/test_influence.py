"""What templates do with texts: small templates by hand, TRL's own, and each promise compared with a real rendering."""

from pathlib import Path

import pytest
import trl
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.text.conversation import Message
from twosignal.tokens.layout import Part, learn_layout, placeholders
from twosignal.tokens.template import REFUSALS, ChatTemplate
from twosignal.tokens.trims import find_trims, probes

TURN = "{% for m in messages %}{{ '<' + m.role + '>' }}BODY{% endfor %}"
TRL = sorted(Path(trl.__file__).parent.glob("chat_templates/*.jinja"))
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, special_tokens=SPECIAL)


def turn(body: str) -> ChatTemplate:
    return template(TURN.replace("BODY", body))


@pytest.mark.parametrize(
    ("body", "words", "needs_text"),
    [
        ("{{ m.content }}", (), False),
        ("{{ m['content'] | trim ~ '</s>' }}", (), False),
        ("{{ m.get('content') }}", (), False),
        ("{% set x = m.content %}{{ x.strip() + '\n' }}", (), False),
        ("{% set x %}{{ m.content }}!{% endset %}{{ x }}", (), False),
        ("{% macro put(t) %}[{{ t }}]{% endmacro %}{{ put(m.content) }}", (), False),
        ("{% if m.content %}{{ m.content }}{% endif %}", (), True),
        ("{% if m.content == '' %}?{% endif %}{{ m.content }}", (), True),
        ("{{ m.content if m.content is string else m.content | tojson }}", (), False),
        ("{% if m.content is mapping %}{{ m.content | length }}{% endif %}{{ m.content }}", (), False),
        ("{% if '</think>' in m.content %}{{ 1 }}{% endif %}{{ m.content }}", ("</think>",), False),
        ("{{ m.content.split('</think>')[-1].lstrip('\n') }}", ("</think>",), False),
        (
            "{% if m.content.startswith('<a>') %}!{% endif %}{{ m.content.replace('b c', '') }}",
            ("<a>", "b c"),
            False,
        ),
        ("{% if m.content in ['yes', 'no'] %}!{% endif %}{{ m.content }}", ("no", "yes"), False),
        ("{% if m.role == 'tool' %}{{ m.content | tojson }}{% else %}{{ m.content }}{% endif %}", (), False),
        ("{% generation %}{{ m.content }}{% endgeneration %}", (), False),
        ("{% set ns = namespace(x='') %}{% set ns.x = m.content %}{{ ns.x }}", (), False),
        (
            "{{ m.content }}{% if loop.nextitem and loop.nextitem.role == 'user' %}{{ 1 }}{% endif %}",
            (),
            False,
        ),
    ],
)
def test_texts_are_harmless_where_they_are_only_printed(
    body: str, words: tuple[str, ...], needs_text: bool
) -> None:
    found = turn(body).harmless
    assert found is not None
    assert (tuple(sorted(found.words)), found.needs_text) == (words, needs_text)


@pytest.mark.parametrize(
    "body",
    [
        "{{ m.content[:5] }}",
        "{{ m.content | length }}{{ m.content }}",
        "{{ m.content | upper }}",
        "{{ m.content | tojson }}",
        "{{ m | tojson }}",
        "{{ m }}",
        "{{ messages | string }}",
        "{% for c in m.content %}{{ c }}{% endfor %}",
        "{% for key, value in m.items() %}{{ value }}{% endfor %}",
        "{% if m.content | length > 5 %}!{% endif %}{{ m.content }}",
        "{% if m.content == messages[0].content %}!{% endif %}{{ m.content }}",
        "{% if m == messages[0] %}!{% endif %}{{ m.content }}",
        "{% if m.content in bos_token %}!{% endif %}{{ m.content }}",
        "{% if '1' in m.content %}!{% endif %}{{ m.content }}",
        "{% if 'ab' in m.content + 'b' %}!{% endif %}{{ m.content }}",
        "{% set x = m.content ~ '!' %}{% if x.startswith('a') %}!{% endif %}{{ x }}",
        "{% set x %}{{ m.content }}{% endset %}{{ x[0] }}",
        "{% macro put(t) %}{{ t[0] }}{% endmacro %}{{ put(m.content) }}",
        "{% macro put() %}{{ caller() }}{% endmacro %}{% call put() %}{{ m.content }}{% endcall %}",
        "{% set ns = namespace(x=m.content) %}{{ ns.x[0] }}",
        "{% filter upper %}{{ m.content }}{% endfilter %}",
        "{{ '%s' % m.content }}{{ '{}'.format(m.content) }}",
        "{{ [m.content, 'a'] | join }}",
        "{{ m.content.strip('x') }}",
        "{{ m.content.split()[0] }}",
        "{{ m['cont' + 'ent'][0] }}",
        "{{ messages | map(attribute='content') | join }}",
        "{{ m.content | trim | first }}",
        "{{ m.content | safe }}",
        "{% if x is string %}a{% else %}{{ m.content[0] }}{% endif %}{% set x = m.content %}{{ x }}",
        "{{ m.content }}{{ range(9) | random }}",
    ],
)
def test_anything_else_may_be_influence(body: str) -> None:
    assert turn(body).harmless is None


def layout_of(made: ChatTemplate, roles: list[tuple[str, bool]]) -> tuple[Part, ...] | None:
    return learn_layout(made.render(placeholders(roles)).text, (), roles=roles)


def check_promise(made: ChatTemplate, texts: list[str]) -> bool:
    """Render these texts and compare with what layout and trims say; False where nothing is promised."""
    roles = [("user" if index % 2 == 0 else "assistant", False) for index in range(len(texts))]
    messages = [Message(role=role, content=text) for (role, _), text in zip(roles, texts, strict=True)]
    try:
        parts = layout_of(made, roles)
        trims = None if parts is None else find_trims(parts, made.render(probes(roles)).text)
    except (*REFUSALS,):
        return False
    if parts is None or trims is None or made.harmless is None or not made.harmless.allows(texts):
        return False
    slots = [part.slot for part in parts if part.slot is not None]
    taken = dict(zip(slots, trims, strict=True)) if trims else {}
    expected = "".join(
        part.scaffold
        if part.slot is None
        else taken[part.slot](texts[part.slot.message])
        if part.slot in taken
        else texts[part.slot.message]
        for part in parts
    )
    assert made.render(messages).text == expected
    return True


HARMLESS = [path for path in TRL if template(path.read_text(encoding="utf-8")).harmless is not None]


def test_most_of_the_well_known_templates_are_understood() -> None:
    names = {path.stem for path in HARMLESS}
    assert {"llama3", "llama3_1", "qwen2_5", "qwen3", "gemma", "gemma3", "phi3", "deepseekv3"} <= names
    assert len(HARMLESS) >= 25


@pytest.mark.parametrize("path", HARMLESS, ids=lambda path: path.stem)
def test_what_is_promised_for_known_templates_is_what_they_render(path: Path) -> None:
    made = template(path.read_text(encoding="utf-8"))
    words = sorted(made.harmless.words) if made.harmless else []
    sayings = [
        "Hi.",
        " a\n",
        "\n\n x \t",
        "",
        " ",
        "{{ x }}",
        "<s>",
        "</think>b",
        "<tool_response>x</tool_response>",
    ]

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.sampled_from([*sayings, *words]) | st.text(max_size=12), min_size=1, max_size=5))
    def check(texts: list[str]) -> None:
        check_promise(made, texts)

    check()
    assert check_promise(made, ["Hello. ", "\n\nIt is a good day.\n"])


def test_ends_are_taken_off_as_the_template_takes_them() -> None:
    made = turn("{{ m.content.lstrip('\n').rstrip() if m.role == 'user' else m.content }};")
    assert check_promise(made, ["\n a \n", "\n b \n", "c", " \n"])
    assert check_promise(turn("{{ (m.content + '\n') | trim }};"), ["\n a \n", " b "])
