"""Tests of reading examples back: takes ids and masks, gives runs of text that say what they are."""

from twosignal.tokens.render import Renderer
from twosignal.tokens.spans import Span, spans_of
from twosignal.tokens.tokenizer import Tokenizer

from . import saved


def test_control_tokens_stand_alone_and_texts_run_together(tiny: Tokenizer) -> None:
    conversation = saved.chat(("user", "ab ab"), ("assistant", "cab <|end|>"))
    assert spans_of(tiny, Renderer(tiny).render(conversation)) == [
        Span("<|bos|>", is_supervised=False, is_control=True),
        Span("<|user|>", is_supervised=False, is_control=True),
        Span("ab ab", is_supervised=False, is_control=False),
        Span("<|end|>", is_supervised=False, is_control=True),
        Span("<|assistant|>", is_supervised=False, is_control=True),
        Span("cab <|end|>", is_supervised=True, is_control=False),
        Span("<|end|>", is_supervised=True, is_control=True),
    ]


def test_the_spans_of_a_chat_read_as_its_rendering(chatml: Tokenizer, gemma: Tokenizer) -> None:
    conversation = saved.chat(("user", " Hello <|im_end|>"), ("assistant", "caf\u00e9 \U0001f600"))
    for tokenizer, expected in (
        (
            chatml,
            "<|im_start|>user\n Hello <|im_end|><|im_end|>\n<|im_start|>assistant\ncaf\u00e9 \U0001f600<|im_end|>\n",
        ),
        (
            gemma,
            "<bos><start_of_turn>user\nHello <|im_end|><end_of_turn>\n"
            "<start_of_turn>model\ncaf\u00e9 \U0001f600<end_of_turn>\n",
        ),
    ):
        example = Renderer(tokenizer).render(conversation)
        assert "".join(span.text for span in spans_of(tokenizer, example)) == expected
