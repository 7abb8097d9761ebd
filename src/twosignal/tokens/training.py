"""Growing a tokenizer: takes texts, gives a `Tokenizer` with a vocabulary learned from them and our chat template.

The same texts always give the same tokenizer. Byte-level byte-pair encoding after Sennrich et
al. (2016) and Radford et al. (2019), with text first cut into words by a pattern like that of
GPT-4o, but one digit at a time, so that sums can be learned digit by digit.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from twosignal.errors import InputError
from twosignal.text.conversation import ROLES
from twosignal.tokens.tokenizer import Tokenizer

PAD, BOS, EOS, NAME, END, UNKNOWN = (
    "<|pad|>",
    "<|bos|>",
    "<|eos|>",
    "<|name|>",
    "<|end|>",
    "<|unk|>",
)
ROLE_TOKENS = {role: f"<|{role}|>" for role in ROLES}
CONTROL_TOKENS = (PAD, BOS, EOS, *ROLE_TOKENS.values(), NAME, END)
"""The control tokens of every tokenizer grown here; the characters kind has `UNKNOWN` besides."""

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Pairs are merged inside these only; no word holds a whole control token."""

CHAT_TEMPLATE = """{{- '<|bos|>' }}
{%- if tools %}
    {{- '<|system|>tools<|name|>' + (tools | tojson) + '<|end|>' }}
{%- endif %}
{%- for message in messages %}
    {%- if message['role'] not in ['system', 'user', 'assistant', 'tool'] %}
        {{- raise_exception('unknown role ' + message['role']) }}
    {%- endif %}
    {{- '<|' + message['role'] + '|>' }}
    {%- if message['name'] %}
        {{- message['name'] + '<|name|>' }}
    {%- endif %}
    {%- if message['role'] == 'assistant' %}
        {%- generation %}
            {%- if message['reasoning_content'] %}
                {{- '<think>\\n' + message['reasoning_content'] + '\\n</think>\\n\\n' }}
            {%- endif %}
            {{- message['content'] or '' }}
            {%- for call in message['tool_calls'] or [] %}
                {%- set function = call['function'] or call %}
                {%- set arguments = function['arguments'] %}
                {{- '\\n' if message['content'] or not loop.first else '' }}
                {{- '<tool_call>\\n{"name": ' + (function['name'] | tojson) + ', "arguments": ' }}
                {{- arguments if arguments is string else arguments | tojson }}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
            {{- '<|end|>' }}
        {%- endgeneration %}
    {%- else %}
        {{- message['content'] + '<|end|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %}
"""
"""What `render.py` builds by construction, written down for other programs."""


def train_tokenizer(
    texts: Iterable[str], *, kind: Literal["bpe", "character", "bytes"], vocab: int
) -> Tokenizer:
    """Return a tokenizer learned from texts.

    `bpe`: byte-level pairs, at most `vocab` entries with control tokens, fewer when the texts
    hold fewer pairs. `character`: one entry per distinct character, anything else is `<|unk|>`.
    `bytes`: 256 entries. Raises InputError when there is no text or `vocab` is too small.
    """
    if kind == "bytes":
        return _finish(_byte_backend(), kind=kind)
    given = _Counted(texts)
    backend = _character_backend(given) if kind == "character" else _pair_backend(given, vocab=vocab)
    if not given.num_characters:
        message = "there is no text to learn a vocabulary from"
        raise InputError(message, remedy="Check the paths and filters of the sources.")
    return _finish(backend, kind=kind)


class _Counted:
    """Iterates over texts once and counts their characters."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts
        self.num_characters = 0

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            self.num_characters += len(text)
            yield text


def _pair_backend(texts: Iterable[str], *, vocab: int) -> Backend:
    least = 256 + len(CONTROL_TOKENS)
    if vocab < least:
        message = "the vocabulary cannot hold the 256 bytes and the control tokens"
        raise InputError(message, found=str(vocab), expected=f"at least {least}")
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    # Control tokens are added afterwards: the trainer gives a pair that spells one its id.
    trainer = trainers.BpeTrainer(
        vocab_size=vocab - len(CONTROL_TOKENS),
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(iter(texts), trainer)
    return backend


def _byte_backend() -> Backend:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Backend(models.BPE(vocab={sign: i for i, sign in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    return backend


def _character_backend(texts: Iterable[str]) -> Backend:
    characters: set[str] = set()
    for text in texts:
        characters.update(text)
    vocab = {character: i for i, character in enumerate(sorted(characters))}
    vocab[UNKNOWN] = len(vocab)
    backend = Backend(models.BPE(vocab=vocab, merges=[], unk_token=UNKNOWN, fuse_unk=False))
    backend.decoder = decoders.Fuse()
    return backend


def _finish(backend: Backend, *, kind: str) -> Tokenizer:
    """Add the control tokens and write the files that make the tokenizer."""
    controls = (*CONTROL_TOKENS, UNKNOWN) if kind == "character" else CONTROL_TOKENS
    backend.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in controls])
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "model_max_length": int(1e30),
        "twosignal_kind": kind,
    }
    if kind == "character":
        config["unk_token"] = UNKNOWN
    files = {
        "tokenizer.json": backend.to_str(pretty=False).encode(),
        "tokenizer_config.json": (json.dumps(config, indent=2) + "\n").encode(),
        "chat_template.jinja": CHAT_TEMPLATE.encode(),
    }
    return Tokenizer(files, where="the tokenizer that was just trained")
