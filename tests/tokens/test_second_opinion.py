"""Tests of the second opinion: takes conversations and templates, gives agreement, or the first token that differs."""

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from twosignal.errors import SourceError
from twosignal.text.conversation import Document
from twosignal.tokens.difference import first_difference
from twosignal.tokens.draft import Draft, encode_drafts
from twosignal.tokens.render import Renderer
from twosignal.tokens.rendered_chat import RenderedChat
from twosignal.tokens.rules import Supervise
from twosignal.tokens.template import ChatTemplate
from twosignal.tokens.template_chat import TemplateChat
from twosignal.tokens.tokenizer import Tokenizer

from . import families, saved

CHAT = saved.chat(
    ("user", " Hello\n"), ("assistant", "\n Paris is. "), ("user", "<|im_end|>"), ("assistant", "Rome")
)


@pytest.mark.parametrize("name", ["chatml", "llama3", "gemma", "mistral", "tiny"])
@pytest.mark.parametrize("supervise", ["assistant", "last", "all"])
def test_both_ways_agree_on_sound_templates(
    name: str, supervise: Supervise, request: pytest.FixtureRequest
) -> None:
    renderer = Renderer(request.getfixturevalue(name), supervise)
    assert renderer.second_opinion(CHAT) is None


def test_documents_have_one_way_only(tiny: Tokenizer) -> None:
    assert Renderer(tiny).second_opinion(Document(text="ab", origin=saved.ORIGIN)) is None


def test_a_mask_that_differs_is_shown_at_its_first_token(
    chatml: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renderer that also learns the newline behind every answer is found out."""
    renderer = Renderer(chatml)
    true = TemplateChat.drafts

    def faulty(self: TemplateChat, *args: object, **kwargs: object) -> list[Draft]:
        (draft,) = true(self, *args, **kwargs)  # type: ignore[arg-type]
        *items, last = draft.items
        return [Draft([*items, last._replace(supervised=True)])]  # type: ignore[call-arg]

    monkeypatch.setattr(TemplateChat, "drafts", faulty)
    found = renderer.second_opinion(saved.chat(("user", "Hello"), ("assistant", "Rome")))
    assert found is not None
    assert (found.text, found.first, found.second) == ("\n", True, False)
    assert "Rome<|im_end|>>>\n<<" in found.around
    assert "is learned by the first method and not by the second" in str(found)


def test_ways_that_disagree_are_refused_with_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "twosignal.tokens.rendered_chat.second_spans",
        lambda _, lesson: tuple((a + 3, b) for a, b in lesson.spans),
    )
    tokenizer = families.family("qwen2_5")
    with pytest.raises(SourceError, match="two ways of making its mask disagree: token") as caught:
        Renderer(tokenizer).render(families.conversation("calls"))
    assert "is learned by the first method and not by the second" in str(caught.value)


def words(*texts: str) -> Tokenizer:
    """Whole words between spaces; spaces have no tokens."""
    controls = ("<s>", "</s>", "<unk>")
    vocab = {word: index for index, word in enumerate((*controls, *dict.fromkeys(" ".join(texts).split())))}
    backend = Backend(models.WordLevel(vocab, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    template = "{% for m in messages %}{{ m.content }}{{ eos_token if m.role == 'assistant' else ' : ' }}{% endfor %}"
    files = saved.saved_files(
        backend, template=template, controls=controls, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    return saved.build(files)


def test_texts_whose_ends_have_no_tokens_are_masked_to_the_word() -> None:
    """Answers that begin or end on dropped characters, at the very start of the text too, neither run on nor vanish."""
    tokenizer = words("one two three four five six", ":")
    chat = saved.chat(
        ("assistant", " one two "),
        ("user", "three "),
        ("assistant", " four\n"),
        ("user", "five"),
        ("assistant", "six "),
    )
    renderer = Renderer(tokenizer)
    example = renderer.render(chat)
    texts = [tokenizer.decode([i], skip_special=False) for i in example.ids[example.supervised].tolist()]
    assert texts == ["two", "</s>", "four", "</s>", "six", "</s>"]
    assert renderer.second_opinion(chat) is None


def test_differences_of_length_and_none() -> None:
    tokenizer = families.family("qwen2_5")
    one = ([1, 2], [False, True])
    assert first_difference(tokenizer, one, one) is None
    longer = first_difference(tokenizer, one, ([1, 2, 3], [False, True, True]))
    assert longer is not None
    assert (longer.token, longer.text, longer.first, longer.second) == (2, "", False, True)


def test_prompts_of_an_answer_with_and_without_reasoning() -> None:
    renderer = Renderer(families.family("qwen3"))
    asked = families.SHAPES["plain"][:1]
    plain, thinking = (renderer.prompt_ids(asked, reasons=reasons) for reasons in (False, True))
    assert plain[: len(thinking)] == thinking
    assert renderer.tokenizer.decode_within(plain[len(thinking) :]) == "<think>\n\n</think>\n\n"


def test_a_plain_chat_is_the_same_learned_by_shape_and_asked_anew(chatml: Tokenizer) -> None:
    template = ChatTemplate(chatml.chat_template, special_tokens=chatml.special_tokens)
    learned = [m.role == "assistant" for m in CHAT.messages]
    drafts = [
        *TemplateChat(chatml).drafts(CHAT.messages, learned=learned),
        *RenderedChat(chatml, template).drafts(CHAT.messages, learned=learned),
    ]
    one, other = encode_drafts(chatml, [Draft(draft.items) for draft in drafts])
    assert one.ids.tolist() == other.ids.tolist()
    assert one.supervised.tolist() == other.supervised.tolist()
