"""Tests of rendering: takes conversations and documents, gives ids and masks that can be written down by hand."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers

from twosignal.config import RoleRule
from twosignal.errors import InputError, SourceError
from twosignal.text.conversation import Conversation, Document, Message
from twosignal.tokens.render import Renderer
from twosignal.tokens.rules import Supervise
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import train_tokenizer

from . import saved

GROWN = {
    "bpe": train_tokenizer(saved.CORPUS, kind="bpe", vocab=400),
    "bytes": train_tokenizer([], kind="bytes", vocab=256),
}
OTHERS = {"chatml": saved.chatml(), "llama3": saved.llama3(), "gemma": saved.gemma()}
NASTY = st.sampled_from(
    [
        "<|end|>",
        "<|im_end|>\n<|im_start|>assistant\n",
        "<|assistant|>",
        "<|eot_id|>",
        "<end_of_turn>\n<start_of_turn>model\n",
        "\n",
        "\n\n ",
        " ",
        "\U0001f600",
        "\u4f60\u597d",
        "\u0646\u0639\u0645",
        "cafe\u0301",
        "\u200d",
        "\x00",
        "\r\n",
        "12",
        "assistant",
    ]
)
TEXTS = st.lists(st.one_of(NASTY, st.text(st.characters(exclude_categories=["Cs"]), max_size=6)), max_size=5)
CONTENTS = TEXTS.map("".join)


def chats(*roles: str) -> st.SearchStrategy[Conversation]:
    turn = st.tuples(st.sampled_from(roles), CONTENTS)
    return st.lists(turn, min_size=1, max_size=6).map(lambda turns: saved.chat(*turns))


def supervised(renderer: Renderer, record: Conversation | Document) -> list[str]:
    example = renderer.render(record)
    return [text for text, flag in renderer.text_spans(example) if flag]


TWO_TURNS = saved.chat(
    ("system", "ab"), ("user", "cab"), ("assistant", "ab ab"), ("user", "ab"), ("assistant", "cab cab", "ab")
)


def test_a_conversation_is_supervised_on_answers_and_their_ends(tiny: Tokenizer) -> None:
    example = Renderer(tiny).render(TWO_TURNS)
    assert example.ids.tolist() == [
        *(261, 263, 256, 268),
        *(264, 258, 268),
        *(265, 256, 257, 268),
        *(264, 256, 268),
        *(265, 256, 267, 258, 259, 268),
    ]
    assert example.supervised.nonzero()[0].tolist() == [8, 9, 10, 17, 18, 19]
    assert example.num_targets == 6
    assert example.is_conversation
    assert example.origin == TWO_TURNS.origin


@pytest.mark.parametrize(
    ("supervise", "expected"),
    [
        ("assistant", ["ab ab<|end|>", "cab cab<|end|>"]),
        ("last", ["cab cab<|end|>"]),
        (RoleRule(role="assistant", name="ab"), ["cab cab<|end|>"]),
        (RoleRule(role="assistant"), ["ab ab<|end|>", "cab cab<|end|>"]),
        (RoleRule(role="user"), ["cab<|end|>", "ab<|end|>"]),
        (RoleRule(role="tool"), []),
    ],
)
def test_the_rule_says_which_turns_are_learned(
    supervise: Supervise, expected: list[str], tiny: Tokenizer
) -> None:
    assert supervised(Renderer(tiny, supervise), TWO_TURNS) == expected


def test_the_last_answer_need_not_be_the_last_turn(tiny: Tokenizer) -> None:
    conversation = saved.chat(("assistant", "ab"), ("assistant", "cab"), ("user", "ab"), ("tool", "ab"))
    assert supervised(Renderer(tiny, "last"), conversation) == ["cab<|end|>"]


def test_all_supervises_every_token_but_the_first(tiny: Tokenizer, chatml: Tokenizer) -> None:
    for tokenizer in (tiny, chatml):
        example = Renderer(tokenizer, "all").render(TWO_TURNS)
        assert not example.supervised[0]
        assert example.num_targets == len(example.ids) - 1


def test_a_conversation_without_a_learned_turn_has_no_targets(tiny: Tokenizer, chatml: Tokenizer) -> None:
    conversation = saved.chat(("user", "ab"))
    for tokenizer in (tiny, chatml):
        for supervise in ("assistant", "last"):
            assert Renderer(tokenizer, supervise).render(conversation).num_targets == 0


def test_the_first_token_is_never_supervised() -> None:
    template = "{% for m in messages %}{{ m.content + '</s>' }}{% endfor %}"
    backend = saved.byte_level_backend()
    files = saved.saved_files(backend, template=template, controls=["</s>"], eos_token="</s>")
    renderer = Renderer(saved.build(files))
    example = renderer.render(saved.chat(("assistant", "Paris is")))
    assert example.supervised.tolist() == [False] + [True] * (len(example.ids) - 1)


@pytest.mark.parametrize("kind", ["bpe", "bytes"])
@settings(max_examples=60, deadline=None)
@given(conversation=chats("system", "user", "assistant", "tool"))
def test_grown_models_learn_every_answer_to_the_letter(kind: str, conversation: Conversation) -> None:
    renderer = Renderer(GROWN[kind])
    example = renderer.render(conversation)
    answers = [m.content for m in conversation.messages if m.role == "assistant"]
    ids = example.ids[example.supervised].tolist()
    assert GROWN[kind].decode(ids, skip_special=False) == "".join(a + "<|end|>" for a in answers)
    end = GROWN[kind].end_of_turn_id
    assert int((example.ids == end).sum()) == len(conversation.messages)
    assert ids.count(end) == len(answers)
    assert renderer.counts.straddling == 0


@pytest.mark.parametrize("name", ["chatml", "llama3", "gemma"])
@settings(max_examples=60, deadline=None)
@given(conversation=chats("user", "assistant"))
def test_pretrained_models_learn_every_answer_to_the_letter(name: str, conversation: Conversation) -> None:
    tokenizer = OTHERS[name]
    renderer = Renderer(tokenizer)
    example = renderer.render(conversation)
    end = tokenizer.end_of_turn_id
    answers = [m.content for m in conversation.messages if m.role == "assistant"]
    if name != "chatml":  # the other two strip white space
        answers = [answer.strip() for answer in answers]
    ids = example.ids[example.supervised].tolist()
    assert ids.count(end) == len(answers)
    assert int((example.ids == end).sum()) == len(conversation.messages)
    text = tokenizer.decode_within(ids)
    expected = "".join(answer + tokenizer.end_of_turn for answer in answers)
    if renderer.counts.straddling == 0:
        assert text == expected
    else:
        assert len(text) < len(expected)


@settings(max_examples=40, deadline=None)
@given(conversation=chats("user", "assistant"), k=st.integers(0, 5))
def test_prompts_begin_the_training_render(conversation: Conversation, k: int) -> None:
    answers = [i for i, m in enumerate(conversation.messages) if m.role == "assistant"]
    if not answers:
        return
    index = answers[k % len(answers)]
    renderer = Renderer(GROWN["bpe"])
    example = renderer.render(conversation)
    prompt = renderer.prompt_ids(conversation.messages[:index])
    assert example.ids[: len(prompt)].tolist() == prompt
    assert not example.supervised[len(prompt) - 1]
    assert example.supervised[len(prompt)]


def document(text: str, *, is_start: bool = True, is_end: bool = True) -> Document:
    return Document(text=text, origin=saved.ORIGIN, domain="books", is_start=is_start, is_end=is_end)


@pytest.mark.parametrize(
    ("is_start", "is_end", "ids"),
    [
        (True, True, [261, 256, 257, 262]),
        (True, False, [261, 256, 257]),
        (False, True, [256, 257, 262]),
        (False, False, [256, 257]),
    ],
)
def test_documents_begin_and_end_where_they_do(
    is_start: bool,
    is_end: bool,
    ids: list[int],
    tiny: Tokenizer,
) -> None:
    example = Renderer(tiny).render(document("ab ab", is_start=is_start, is_end=is_end))
    assert example.ids.tolist() == ids
    assert example.supervised.tolist() == [False] + [True] * (len(ids) - 1)
    assert (example.is_conversation, example.domain) == (False, "books")


def test_documents_of_characters_have_no_control_tokens(characters: Tokenizer) -> None:
    renderer = Renderer(characters)
    assert renderer.render(document("hello")).ids.tolist() == [4, 3, 5, 5, 6]
    assert renderer.render(document("h")).num_targets == 0
    assert renderer.document_prompt_ids("he") == [4, 3]
    with pytest.raises(InputError, match="an empty prompt needs"):
        renderer.document_prompt_ids("")


def test_documents_of_a_tokenizer_without_bos_only_end(chatml: Tokenizer) -> None:
    example = Renderer(chatml).render(document("the cat"))
    assert example.ids.tolist() == [*chatml.encode("the cat"), chatml.eos_id]
    assert Renderer(chatml).document_prompt_ids("the cat") == chatml.encode("the cat")


def test_a_document_prompt_begins_the_document(tiny: Tokenizer) -> None:
    assert Renderer(tiny).document_prompt_ids("ab ab") == [261, 256, 257]
    assert Renderer(tiny).document_prompt_ids("") == [261]


def test_control_tokens_in_documents_stay_text(tiny: Tokenizer) -> None:
    example = Renderer(tiny).render(document("ab<|eos|>"))
    assert (example.ids == tiny.eos_id).sum() == 1
    assert example.ids[-1] == tiny.eos_id


def test_many_records_come_out_in_order_whatever_the_batch(tiny: Tokenizer) -> None:
    records = [document("ab " * n) if n % 3 else TWO_TURNS for n in range(1, 12)]
    one_by_one = [Renderer(tiny).render(record).ids.tolist() for record in records]
    for batch in (1, 4, 512):
        found = [e.ids.tolist() for e in Renderer(tiny).render_many(iter(records), batch)]
        assert found == one_by_one


def test_unknown_characters_are_counted(characters: Tokenizer) -> None:
    renderer = Renderer(characters)
    list(renderer.render_many([document("hello"), document("he\u00e9\u00e8"), document("\u00e9")]))
    assert renderer.counts.unknown == 3


def test_half_tokens_are_counted_unless_everything_is_learned(chatml: Tokenizer) -> None:
    conversation = saved.chat(("user", "Hello"), ("assistant", "\nParis"))
    for supervise, expected in (("assistant", 1), ("all", 0)):
        renderer = Renderer(chatml, supervise)  # type: ignore[arg-type]
        renderer.render(conversation)
        assert renderer.counts.straddling == expected


@pytest.mark.parametrize(
    ("supervise", "expected"),
    [
        ("assistant", ["b<|end|>"]),
        ("last", ["b<|end|>"]),
        ("all", ["<|user|>u<|end|><|assistant|>", "<|user|>v<|end|><|assistant|>b<|end|>"]),
        (RoleRule(role="user"), ["u<|end|>", "v<|end|>"]),
    ],
)
def test_a_turn_of_weight_zero_is_never_learned(
    supervise: Supervise, expected: list[str], tiny: Tokenizer
) -> None:
    chat = saved.chat(("user", "u"), ("assistant", "a"), ("user", "v"), ("assistant", "b"))
    first, answer, *rest = chat.messages
    weighed = replace(chat, messages=(first, answer._replace(weight=0), *rest))
    assert supervised(Renderer(tiny, supervise), weighed) == expected
    last = replace(chat, messages=(first, answer, rest[0], rest[1]._replace(weight=0)))
    if supervise == "last":
        assert supervised(Renderer(tiny, supervise), last) == ["a<|end|>"]


def test_a_conversation_in_which_a_remembered_word_was_wrong_is_right_and_counted() -> None:
    chat = saved.chat(("user", "Hello there"), ("assistant", "I am fine"))
    renderer = Renderer(saved.chatml())
    right = renderer.render(chat)
    renderer._weaver._chunks.ids[:] += 1
    again = renderer.render(chat)
    assert again.ids.tolist() == right.ids.tolist()
    assert renderer.counts.differing == 1


def test_turns_rewritten_in_retrospect_are_counted() -> None:
    template = saved.CHATML.replace(
        "m.content", "('<think></think>' if loop.last and m.role == 'assistant' else '') + m.content"
    )
    files = saved.saved_files(saved.byte_level_backend(), template=template, controls=saved.CHATML_CONTROLS)
    renderer = Renderer(saved.build(files))
    pair = (("user", "Hello"), ("assistant", "Paris"))
    (examples,) = renderer.render_each([saved.chat(*pair, *pair, *pair)])
    assert renderer.counts.rewritten == 2
    assert [[text for text, flag in renderer.text_spans(e) if flag] for e in examples] == [
        ["<think></think>Paris<|im_end|>"]
    ] * 3
    assert len(list(renderer.render_many([saved.chat(*pair, *pair)]))) == 2


def test_a_refusal_names_file_line_and_the_words_of_the_template(gemma: Tokenizer) -> None:
    conversation = saved.chat(("system", "Be good."), ("user", "Hello"), line=12)
    with pytest.raises(SourceError) as caught:
        Renderer(gemma).render(conversation)
    assert str(caught.value).startswith(
        "data/chats.jsonl:12: the chat template refuses this conversation: System role not supported."
    )
    assert "merging a system text into the first user turn" in str(caught.value)
    with pytest.raises(InputError, match="prompt: the chat template refuses this prompt: System role"):
        Renderer(gemma).prompt_ids(conversation.messages)


def test_a_layout_that_does_not_fit_names_file_line_and_remedy() -> None:
    template = saved.CHATML.replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant\n<think>\n'")
    files = saved.saved_files(saved.byte_level_backend(), template=template, controls=saved.CHATML_CONTROLS)
    renderer = Renderer(saved.build(files))
    with pytest.raises(SourceError) as caught:
        renderer.render(saved.chat(("user", "Hello"), ("assistant", "Paris"), line=3))
    assert "data/chats.jsonl:3: the chat template does not fit this conversation" in str(caught.value)
    assert "Use a template whose answers begin as add_generation_prompt does" in str(caught.value)


def test_an_unknown_role_is_refused(tiny: Tokenizer) -> None:
    with pytest.raises(SourceError, match=r"unknown role 'bard'\. Use one of system"):
        Renderer(tiny).render(saved.chat(("bard", "ab")))
    with pytest.raises(InputError, match="cannot make this prompt: unknown role 'bard'"):
        Renderer(tiny).prompt_ids([Message(role="bard", content="ab")])


def test_text_that_is_not_unicode_is_traced_to_its_record(tiny: Tokenizer) -> None:
    records = [saved.chat(("user", "ab"), line=1), saved.chat(("user", "\ud83d"), line=2)]
    with pytest.raises(SourceError, match=r"data/chats\.jsonl:2: a text holds half a surrogate pair"):
        list(Renderer(tiny).render_many(records))
    with pytest.raises(InputError, match="the prompt holds half a surrogate pair"):
        Renderer(tiny).document_prompt_ids("\ud83d")


def test_a_text_without_tokens_is_refused() -> None:
    backend = saved.byte_level_backend()
    backend.normalizer = normalizers.Strip()
    files = saved.saved_files(backend, controls=saved.MISTRAL_CONTROLS)
    with pytest.raises(SourceError, match=r"data/chats\.jsonl:7: the tokenizer makes no tokens"):
        Renderer(saved.build(files)).render(document(" \n"))


def test_a_prompt_may_name_the_answerer(tiny: Tokenizer, chatml: Tokenizer) -> None:
    messages = [Message(role="user", content="ab")]
    assert Renderer(tiny).prompt_ids(messages, name="cab") == [261, 264, 256, 268, 265, 258, 267]
    assert Renderer(chatml).prompt_ids(messages, name="x") == Renderer(chatml).prompt_ids(messages)


def test_the_given_moment_reaches_the_template() -> None:
    template = "{{ strftime_now('%Y') }}" + saved.CHATML
    files = saved.saved_files(saved.byte_level_backend(), template=template, controls=saved.CHATML_CONTROLS)
    renderer = Renderer(saved.build(files), now=datetime(1999, 1, 1))
    example = renderer.render(saved.chat(("user", "Hello")))
    assert renderer.text_spans(example)[0][0].startswith("1999<|im_start|>")


def test_a_changed_template_of_a_grown_model_is_followed(tiny: Tokenizer) -> None:
    files = dict(tiny._files)
    files["chat_template.jinja"] = (
        b"{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endfor %}"
        b"{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    )
    example = Renderer(saved.build(files)).render(saved.chat(("user", "ab"), ("assistant", "cab")))
    assert example.ids.tolist() == [264, 256, 268, 265, 258, 268]
    assert example.supervised.tolist() == [False] * 4 + [True] * 2


def test_the_room_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, twosignal.tokens.render, twosignal.tokens.show, twosignal.tokens.pretrained;"
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
