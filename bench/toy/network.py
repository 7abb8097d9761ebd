"""The small network of the curriculum's benchmark: takes rows of bytes, gives losses, and learns from them on one core.

2 layers of width 64, 0.12M parameters. Muon and the convolution are there for speed and calm: without them the same network
needs three times the steps, and seeds differ by 0.06 nats where they now differ by 0.01.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from toy.world import CONTEXT

WIDTH, LAYERS = 64, 2
WARMUP = 50
"""Steps."""

Rows = NDArray[np.int64]


class Block(nn.Module):
    """A convolution over four bytes, attention, and two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.attend, self.after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.taps = nn.Parameter(torch.randn(4, WIDTH) * 0.02)
        self.query, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the hidden states after the block; shapes (rows, length, width)."""
        rows, length, width = hidden.shape
        back = functional.pad(self.before(hidden), (0, 0, 3, 0))
        for place in range(4):
            hidden = hidden + self.taps[place] * back[:, 3 - place : 3 - place + length]
        query, key, value = (
            self.query(self.attend(hidden)).view(rows, length, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = hidden + self.out(mixed.transpose(1, 2).reshape(rows, length, width))
        changed: Tensor = self.down(functional.gelu(self.up(self.after(hidden))))
        return hidden + changed


class Network(nn.Module):
    """Reads bytes, gives the losses of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(256, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks, self.norm = nn.Sequential(*(Block() for _ in range(LAYERS))), nn.LayerNorm(WIDTH)
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, std=0.02)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the mean loss of each row, nats per byte."""
        hidden = self.embed(rows[:, :-1]) + self.place.weight[: rows.shape[1] - 1]
        scores = self.norm(self.blocks(hidden)) @ self.embed.weight.T
        return functional.cross_entropy(scores.transpose(1, 2), rows[:, 1:], reduction="none").mean(1)


class Trainer:
    """The network and its optimizers: Muon for the matrices inside, AdamW for the rest, a cosine to a tenth."""

    def __init__(self, steps: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.network, self.steps, self.done = Network(), steps, 0
        inner = [
            p for name, p in self.network.blocks.named_parameters() if p.dim() == 2 and "taps" not in name
        ]
        rest = [p for p in self.network.parameters() if not any(p is other for other in inner)]
        self.muon: torch.optim.Optimizer = torch.optim.Muon(
            inner, lr=0.02, momentum=0.95, weight_decay=0.01, ns_steps=4
        )
        self.adamw = torch.optim.AdamW(rest, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)

    def step(self, rows: Rows) -> list[float]:
        """Learn from rows; return their losses."""
        rate = min(1.0, (self.done + 1) / WARMUP) * (
            0.1 + 0.45 * (1 + math.cos(math.pi * self.done / self.steps))
        )
        losses = self.network(torch.from_numpy(rows))
        losses.mean().backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer, peak in ((self.muon, 0.02), (self.adamw, 3e-3)):
            optimizer.param_groups[0]["lr"] = peak * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.done += 1
        return [float(loss) for loss in losses.detach()]

    @torch.no_grad()
    def measure(self, rows: Mapping[str, Rows]) -> dict[str, float]:
        """Return the mean loss of each set of rows."""
        losses = self.network(torch.from_numpy(np.concatenate(list(rows.values()))))
        parts = losses.split([len(part) for part in rows.values()])
        return {name: float(part.mean()) for name, part in zip(rows, parts, strict=True)}
