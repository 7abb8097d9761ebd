"""What the model says by itself: takes the panel and a learner, gives scored samples ready to be recorded."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twosignal.audits.copying import CopyIndex, trace
from twosignal.audits.degeneration import score
from twosignal.audits.recorded import read_sample
from twosignal.audits.sample_audit import action_of
from twosignal.audits.tiers import TIERS, Tiers, tier_of
from twosignal.config import SamplesTable
from twosignal.model.generate import Sampling, generate
from twosignal.records.smoothing import perplexity
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.train.batch import Learner
from twosignal.train.panel import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """Asks a fixed panel and scores the answers."""

    learner: Learner
    tokenizer: Tokenizer
    panel: Sequence[Prompt]
    table: SamplesTable
    seed: int
    random_chance: float
    tiers: Tiers = TIERS
    """What the loss of a sample means."""
    copies: CopyIndex | None = None
    """The run's training text, in which every sample is looked for."""

    def draw(self, step: int) -> list[dict[str, Any]]:
        """Return one sample body per prompt; the same weights, seed and step give the same texts."""
        settings = Sampling(
            max_tokens=self.table.tokens,
            temperature=self.table.temperature,
            top_p=self.table.top_p,
            stop_ids=self.tokenizer.stop_ids,
        )
        seed = zlib.crc32(f"{self.seed}/{step}".encode())
        prompts = [prompt.ids for prompt in self.panel]
        drawn = generate(self.learner.model, prompts, settings=settings, seed=seed)
        return [
            self._body(prompt, list(one.ids), float(one.logprobs.mean()) if len(one.ids) else float("nan"))
            for prompt, one in zip(self.panel, drawn, strict=True)
        ]

    def _body(self, prompt: Prompt, ids: list[int], mean_logprob: float) -> dict[str, Any]:
        text = self.tokenizer.decode(ids).strip()
        loss = -mean_logprob
        judged = score(text, prompt.text)
        body: dict[str, Any] = {
            "prompt": prompt.text,
            "text": text,
            "loss": loss,
            "ppl": perplexity(loss),
            "tokens": len(ids),
            "tier": tier_of(loss, tiers=self.tiers, random_chance=self.random_chance).name,
            "source": prompt.source,
            "domain": prompt.domain or prompt.source,
            "scores": judged.as_dict(),
            "copied": self._traced(text, loss),
        }
        sample = read_sample(0, body)
        action = action_of(sample, judged, tiers=self.tiers, random_chance=self.random_chance)
        return {**body, "action": action}

    def _traced(self, text: str, loss: float) -> dict[str, Any] | None:
        """Return where the text stands in the training text, as it is recorded; None without an index."""
        if self.copies is None:
            return None
        alert = self.tiers[0].below
        return trace(self.copies, text, count_tokens=self._count, loss=loss, alert=alert).recorded()

    def _count(self, text: str) -> int:
        return len(self.tokenizer.encode(text))
