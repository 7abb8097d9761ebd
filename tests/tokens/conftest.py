"""What these tests share: small tokenizers, made once."""

import pytest

from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import train_tokenizer

from . import saved


@pytest.fixture(scope="session")
def tiny() -> Tokenizer:
    """Four pairs: "ab" 256, " ab" 257, "cab" 258, " cab" 259.

    Then <|pad|> 260, <|bos|> 261, <|eos|> 262, <|system|> 263, <|user|> 264, <|assistant|> 265,
    <|tool|> 266, <|name|> 267, <|end|> 268.
    """
    return train_tokenizer(["ab ab ab ab ab cab cab cab"], kind="bpe", vocab=4096)


@pytest.fixture(scope="session")
def grown() -> Tokenizer:
    return train_tokenizer(saved.CORPUS, kind="bpe", vocab=400)


@pytest.fixture(scope="session")
def characters() -> Tokenizer:
    return train_tokenizer(["hello world\n"], kind="character", vocab=4096)


@pytest.fixture(scope="session")
def chatml() -> Tokenizer:
    return saved.chatml()


@pytest.fixture(scope="session")
def llama3() -> Tokenizer:
    return saved.llama3()


@pytest.fixture(scope="session")
def gemma() -> Tokenizer:
    return saved.gemma()


@pytest.fixture(scope="session")
def mistral() -> Tokenizer:
    return saved.mistral()


@pytest.fixture(scope="session")
def unigram() -> Tokenizer:
    return saved.unigram()
