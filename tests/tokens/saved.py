"""Saved tokenizers made on the spot: takes a chat template and control tokens, gives the files others would publish.

The templates are written here in few words after the forms that well-known models use.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Backend

from twosignal.text.conversation import Conversation, Message, Origin
from twosignal.tokens.tokenizer import Tokenizer

ORIGIN = Origin(source="chats", file="data/chats.jsonl", line=7)

CORPUS = [
    "Hello there. What is the capital of France?\nParis is the capital of France.\n\n",
    "system\nuser\nassistant\nmodel\ntool\nThis is text 1. How are you? I am fine, thank you.\n",
    "the cat sat on the mat and the dog sat on the log \U0001f600 na\u00efve caf\u00e9 \u4f60\u597d\n\n",
    "Bo said that one plus one is two, two plus two is four. 1 + 1 = 2\n  indented  \n",
] * 4

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CHATML_CONTROLS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAMA3_CONTROLS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)

GEMMA = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% set role = 'model' if m.role == 'assistant' else m.role %}"
    "{{ '<start_of_turn>' + role + '\n' + m.content | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
GEMMA_CONTROLS = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")

MISTRAL = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
    "{% if m.role == 'user' %}{{ '[INST] ' + m.content + '[/INST]' }}"
    "{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)
MISTRAL_CONTROLS = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]")


def chat(*turns: tuple[str, str] | tuple[str, str, str], line: int = 7) -> Conversation:
    """A conversation of (role, content) or (role, content, name)."""
    messages = tuple(
        Message(role=turn[0], content=turn[1], name=turn[2] if len(turn) == 3 else "") for turn in turns
    )
    origin = Origin(source="chats", file="data/chats.jsonl", line=line)
    return Conversation(messages=messages, origin=origin)


def as_dicts(conversation: Conversation) -> list[dict[str, str]]:
    """The messages as transformers wants them."""
    return [
        {"role": m.role, "content": m.content, **({"name": m.name} if m.name else {})}
        for m in conversation.messages
    ]


def byte_level_backend(*, vocab: int = 400) -> Backend:
    """Byte-level pairs learned from CORPUS, with the word pattern of Llama 3."""
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(CORPUS, trainer)
    return backend


def sentence_piece_backend(*, scheme: str = "legacy") -> Backend:
    """Pairs over text with a sign for spaces and pieces for bytes, as in Llama 2 (legacy) or later (first)."""
    backend = Backend(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    steps: list[Any] = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    if scheme == "legacy":
        backend.normalizer = normalizers.Sequence(
            [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
        )
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    backend.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    byte_pieces = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=[*MISTRAL_CONTROLS[:3], *byte_pieces],
        limit_alphabet=60,
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    definition = json.loads(backend.to_str())
    definition["added_tokens"] = definition["added_tokens"][:3]
    return Backend.from_str(json.dumps(definition))


def unigram_backend() -> Backend:
    """A Unigram vocabulary that holds the texts of its control tokens as pieces, as T5's does."""
    backend = Backend(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=list(MISTRAL_CONTROLS), unk_token="<unk>", show_progress=False
    )
    backend.train_from_iterator(CORPUS, trainer)
    return backend


def saved_files(
    backend: Backend,
    *,
    template: str = "",
    controls: Sequence[str | AddedToken] = (),
    **named: str,
) -> dict[str, bytes]:
    """The files of a tokenizer; `named` are bos_token, eos_token and so on."""
    backend.add_special_tokens(
        [c if isinstance(c, AddedToken) else AddedToken(c, special=True, normalized=False) for c in controls]
    )
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **named}
    files = {
        "tokenizer.json": backend.to_str().encode(),
        "tokenizer_config.json": json.dumps(config).encode(),
    }
    if template:
        files["chat_template.jinja"] = template.encode()
    return files


def build(files: dict[str, bytes]) -> Tokenizer:
    """A tokenizer from files in memory."""
    return Tokenizer(files, where="test")


def chatml() -> Tokenizer:
    """Byte-level with ChatML, no bos, as Qwen."""
    return build(
        saved_files(
            byte_level_backend(),
            template=CHATML,
            controls=CHATML_CONTROLS,
            eos_token="<|im_end|>",
            pad_token="<|endoftext|>",
        )
    )


def llama3() -> Tokenizer:
    """Byte-level with trimmed contents and two line feeds after the header, as Llama 3."""
    return build(
        saved_files(
            byte_level_backend(),
            template=LLAMA3,
            controls=LLAMA3_CONTROLS,
            bos_token="<|begin_of_text|>",
            eos_token="<|end_of_text|>",
        )
    )


def gemma() -> Tokenizer:
    """Spaces as signs without a first one, role "model", no system turns, as Gemma."""
    return build(
        saved_files(
            sentence_piece_backend(scheme="never"),
            template=GEMMA,
            controls=GEMMA_CONTROLS,
            bos_token="<bos>",
            eos_token="<eos>",
            pad_token="<pad>",
        )
    )


def mistral(*, scheme: str = "legacy") -> Tokenizer:
    """Spaces as signs, no header before answers, as Mistral and Llama 2."""
    return build(
        saved_files(
            sentence_piece_backend(scheme=scheme),
            template=MISTRAL,
            controls=MISTRAL_CONTROLS,
            bos_token="<s>",
            eos_token="</s>",
            unk_token="<unk>",
        )
    )


def unigram() -> Tokenizer:
    """Unigram with the Mistral form: its control tokens can be spelt by text."""
    return build(
        saved_files(
            unigram_backend(),
            template=MISTRAL,
            controls=MISTRAL_CONTROLS,
            bos_token="<s>",
            eos_token="</s>",
            unk_token="<unk>",
        )
    )


def in_transformers(tokenizer: Tokenizer, folder: Path) -> Any:
    """The same tokenizer as transformers loads it."""
    import transformers

    tokenizer.save(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)
