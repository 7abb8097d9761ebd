"""Attention by document equals the textbook formula under a dense mask."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from twosignal.model import kernels
from twosignal.model.kernels import Documents, Heads, Settings, under_mask, within_documents


def textbook(heads: Heads, mask: Tensor, asked: Settings) -> Tensor:
    """Softmax of scaled scores under a dense mask, in float64; [1, tokens, heads, size]."""
    groups = heads.query.shape[1] // heads.key.shape[1]
    query = heads.query.double()
    key, value = (x.double().repeat_interleave(groups, 1) for x in heads[1:])
    scores = query @ key.mT * (asked.scale if asked.scale is not None else query.shape[-1] ** -0.5)
    if asked.softcap is not None:
        scores = asked.softcap * torch.tanh(scores / asked.softcap)
    powers = scores.exp() * mask
    sinks = 0.0 if asked.sinks is None else asked.sinks.double().exp().view(1, -1, 1, 1)
    return (powers / (powers.sum(-1, keepdim=True) + sinks) @ value).transpose(1, 2)


def dense_mask(lengths: list[int], window: int | None) -> Tensor:
    document = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    place = torch.arange(len(document))
    distance = place[:, None] - place
    return (document[:, None] == document) & (distance >= 0) & (distance < (window or len(document)))


def random_heads(tokens: int, *, key_heads: int = 2) -> Heads:
    generator = torch.Generator().manual_seed(tokens)
    shapes = [(1, 4, tokens, 8), (1, key_heads, tokens, 8), (1, key_heads, tokens, 8)]
    return Heads(*(torch.randn(shape, generator=generator) for shape in shapes))


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    window=st.sampled_from([None, 1, 3]),
    key_heads=st.sampled_from([1, 2, 4]),
    softcap=st.sampled_from([None, 2.0]),
    has_sinks=st.booleans(),
    scale=st.sampled_from([None, 0.7]),
)
@settings(max_examples=40, deadline=None)
def test_any_packing_equals_the_dense_formula(
    lengths: list[int],
    window: int | None,
    key_heads: int,
    softcap: float | None,
    has_sinks: bool,
    scale: float | None,
) -> None:
    heads = random_heads(sum(lengths), key_heads=key_heads)
    sinks = torch.tensor([0.5, -1.0, 0.0, 2.0]) if has_sinks else None
    asked = Settings(window=window, softcap=softcap, sinks=sinks, scale=scale)
    documents = Documents.on(torch.device("cpu"), tuple(lengths))
    got = within_documents(heads, documents, asked)
    expected = textbook(heads, dense_mask(lengths, window), asked)
    assert got.shape == (1, sum(lengths), 4, 8)
    assert (got - expected).abs().max() < 1e-5


def test_consecutive_documents_of_one_length_share_a_call() -> None:
    documents = Documents.on(torch.device("cpu"), (5, 5, 5, 2, 5))
    assert documents.runs == [(5, 3), (2, 1), (5, 1)]
    assert documents.longest == 8


def test_without_a_mask_the_newest_token_sees_every_key() -> None:
    heads = random_heads(6)
    newest = heads._replace(query=heads.query[:, :, -1:])
    expected = textbook(heads, dense_mask([6], None), Settings())[:, -1:]
    assert (under_mask(newest, None, Settings()) - expected).abs().max() < 1e-5


def test_attention_stays_in_float32_on_a_cpu_under_autocast() -> None:
    heads = random_heads(6)
    documents = Documents.on(torch.device("cpu"), (4, 2))
    exact = within_documents(heads, documents, Settings())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(within_documents(heads, documents, Settings()), exact)
        mixed = heads._replace(value=heads.value.bfloat16())
        assert within_documents(mixed, documents, Settings()).dtype == torch.float32


def stand_in(query: Tensor, key: Tensor, value: Tensor, starts: Tensor, **asked: Any) -> Tensor:
    """What torch's variable-length kernel is documented to give, on [tokens, heads, size]."""
    left, right = asked["window_size"]
    assert right == 0
    heads = Heads(*(x.transpose(0, 1)[None] for x in (query, key, value)))
    mask = dense_mask(starts.diff().tolist(), None if left < 0 else left + 1)
    return textbook(heads, mask, Settings(scale=asked["scale"]))[0].to(query.dtype)


def varlen_of_2_13(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
) -> Tensor:
    """The signature of torch 2.13."""
    assert enable_gqa == (query.shape[1] != key.shape[1])
    assert cu_seq_q is cu_seq_k
    assert max_q == max_k == 8
    return stand_in(query, key, value, cu_seq_q, scale=scale, window_size=window_size)


def varlen_of_2_10(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    is_causal: bool = False,
) -> Tensor:
    """The signature of torch 2.10: no window, no scale, no shared key heads."""
    assert is_causal
    assert cu_seq_q is cu_seq_k
    assert query.shape == key.shape
    assert max_q == max_k == 8
    return stand_in(query, key, value, cu_seq_k, scale=None, window_size=(-1, 0))


@pytest.mark.parametrize("kernel", [varlen_of_2_13, varlen_of_2_10])
@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("scale", [None, 0.7])
def test_the_gpu_kernel_is_asked_for_the_same_attention(
    monkeypatch: pytest.MonkeyPatch, kernel: Callable[..., Tensor], window: int | None, scale: float | None
) -> None:
    """Runs on a stand-in: the kernel itself needs a GPU."""
    calls = []

    def counted(*args: Any, **options: Any) -> Tensor:
        calls.append(kernel)
        return kernel(*args, **options)

    monkeypatch.setattr(kernels, "varlen_attn", counted)
    monkeypatch.setattr(kernels, "FLASH_OPTIONS", frozenset(signature(kernel).parameters))
    heads = Heads(*(x.bfloat16() for x in random_heads(13)))
    documents = Documents(lengths=(7, 1, 5), starts=torch.tensor([0, 7, 8, 13], dtype=torch.int32))
    got = within_documents(heads, documents, Settings(window=window, scale=scale))
    expected = textbook(heads, dense_mask([7, 1, 5], window), Settings(scale=scale))
    assert got.shape == (1, 13, 4, 8)
    assert (got - expected).abs().max() < 0.05
    assert len(calls) == (0 if window and kernel is varlen_of_2_10 else 1)


def test_float32_on_a_gpu_goes_document_by_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(kernels, "varlen_attn")
    documents = Documents(lengths=(7, 6), starts=torch.tensor([0, 7, 13], dtype=torch.int32))
    got = within_documents(random_heads(13), documents, Settings())
    assert (got - textbook(random_heads(13), dense_mask([7, 6], None), Settings())).abs().max() < 1e-5
