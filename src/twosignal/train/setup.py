"""From run file to everything a run is made of: takes a `Config`, gives a `Setup` that the proof and the loop share."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from twosignal.config import Config
from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.policy import Shares
from twosignal.curriculum.prior import Prior
from twosignal.errors import ConfigError
from twosignal.model.device import autocast_dtype, pick_device
from twosignal.model.head import measured_head
from twosignal.model.presets import SpecialIds, grow
from twosignal.model.pretrained import check_vocabulary, load_model
from twosignal.packs.pack import Pack
from twosignal.packs.prepare import PreparedSource
from twosignal.tokens.example import Ids
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.train.batch import Learner
from twosignal.train.data import Data, local, prepare_data
from twosignal.train.optimizer import LearningRate, Mover, peak_of, schedule_of
from twosignal.train.steering.prior import start_mix
from twosignal.train.steering.start import base_shares, has_bandit, make_curriculum
from twosignal.train.steering.target import Target, check_names, find_targets
from twosignal.train.unigram import unigram_loss

PASS_TOKENS = 16_384
"""Tokens of one forward pass at most, unless the run file says otherwise."""
PASS_BYTES = 2 * 2**30
"""Memory that the activations of one pass may take on a CPU; on CUDA a quarter of the device's."""
ACTIVATION_BYTES = 68
"""Per token, layer and unit of width: 34 values of two bytes (Korthikanti et al. 2022, without the attention
scores, which are never kept), here of four."""
COMPILED_STEPS = 1_000
"""Steps from which compiling pays for itself on CUDA."""


@dataclass(kw_only=True)
class Setup:
    """A run before its first step."""

    config: Config
    tokenizer: Tokenizer
    sources: dict[str, PreparedSource]
    learner: Learner
    curriculum: Curriculum
    steps: int
    """Planned optimizer steps."""
    row_tokens: int
    """Tokens of a packed row."""
    context: int
    """Longest sequence the model can read."""
    rows_per_pass: int
    """Rows of one forward pass."""
    targets: tuple[Target, ...] = ()
    """What the run is judged by."""
    base: Shares = field(default_factory=dict)
    """Fixed shares of the sources, from the run file and their sizes alone."""
    prior: Prior | None = None
    """Mix that the bandit begins with; None: by rows."""
    folder: Path = Path()
    """Where the run file's relative paths start."""

    @property
    def random_chance(self) -> float:
        """Loss of a model that knows nothing: ln(vocabulary), in nats."""
        return math.log(self.vocabulary)

    @property
    def vocabulary(self) -> int:
        """Entries of the model's output."""
        return int(self.learner.model.config.get_text_config().vocab_size)

    @property
    def num_parameters(self) -> int:
        """Parameters, tied ones counted once."""
        return sum(p.numel() for p in self.learner.model.parameters())

    @property
    def peak(self) -> float:
        """Peak learning rate."""
        grown = self.config.model.preset is not None
        return peak_of(self.config.train, grown=grown, num_parameters=self.num_parameters)

    @property
    def is_compiled(self) -> bool:
        """Return whether the steps are to run compiled."""
        choice = self.config.train.compile
        return choice == "on" or (
            choice == "auto" and self.learner.device.type == "cuda" and self.steps >= COMPILED_STEPS
        )

    @cached_property
    def unigram_loss(self) -> float | None:
        """Loss on the probes of a model that knows only how often each token occurs; None without probes."""
        return unigram_loss(self.sources, self.base, targets=self.targets, vocabulary=self.vocabulary)

    def mover(self) -> Mover:
        """Return new optimizers for the model."""
        return Mover(self.learner.model, self.config.train, peak=self.peak)

    def learning_rate(self) -> LearningRate:
        """Return the schedule over the planned steps."""
        return schedule_of(self.config.train, self.steps)

    def plan(self, steps: int) -> None:
        """Make it a run of so many steps, with a new curriculum, which plans by them."""
        self.steps = steps
        self.curriculum = make_curriculum(
            self.config, self.sources, targets=self.targets, prior=self.prior, steps=steps
        )

    def draw_rows(self) -> list[Pack]:
        """Return the rows of the next optimizer step, mixed by the curriculum's shares."""
        return [
            self.sources[self.curriculum.choose()].stream.draw() for _ in range(self.config.rows.per_step)
        ]

    def has_conversations(self) -> bool:
        """Return whether any source is made of conversations."""
        return any(source.ledger.conversations for source in self.sources.values())


def build(config: Config, *, folder: Path, runs_dir: Path, say: Callable[[str], None]) -> Setup:
    """Prepare the data, load or grow the model, plan the steps; nothing is trained or recorded.

    Relative paths in the run file start at `folder`; tokenized data is kept in `runs_dir`/.cache.
    """
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    check_names(config)
    device = pick_device(config.train.device)
    data = prepare_data(config, folder=folder, runs_dir=runs_dir, say=say)
    model = _model(config, data, folder=folder, device=device)
    model.train()
    vocabulary = int(model.config.get_text_config().vocab_size)
    learner = Learner(
        model=model,
        head=measured_head(model),
        token_bytes=torch.from_numpy(_padded(data.tokenizer.token_bytes(), vocabulary)),
        device=device,
        autocast=autocast_dtype(config.train.precision, device),
    )
    num_rows = sum(source.ledger.rows for source in data.sources.values())
    steps = planned_steps(config, num_rows=num_rows, row_tokens=data.row_tokens)
    base = base_shares(config, data.sources)
    targets = find_targets(data.sources, config, files=data.target_files, base=base)
    prior = None
    if has_bandit(config, data.sources, targets):
        # By the data alone: the same for a run of hours, whose steps are settled later, and for its proof made again.
        tokens = num_rows * data.row_tokens
        prior = start_mix(data.sources, targets, run_tokens=tokens, vocabulary=vocabulary)
    elif config.curriculum.policy == "bandit" and len(data.sources) > 1:
        say(
            "nothing is held out, so the curriculum has no target: rows are drawn by the sizes of the sources"
        )
    return Setup(
        config=config,
        tokenizer=data.tokenizer,
        sources=data.sources,
        learner=learner,
        curriculum=make_curriculum(config, data.sources, targets=targets, prior=prior, steps=steps),
        targets=targets,
        base=base,
        prior=prior,
        steps=steps,
        row_tokens=data.row_tokens,
        context=data.context,
        rows_per_pass=config.rows.per_pass or max(1, pass_tokens(model, device) // data.row_tokens),
        folder=folder,
    )


def pass_tokens(model: PreTrainedModel, device: torch.device) -> int:
    """Return how many tokens one forward pass may hold, by the model's size and the device's memory."""
    shape = model.config.get_text_config()
    budget = PASS_BYTES
    if device.type == "cuda":
        budget = torch.cuda.get_device_properties(device).total_memory // 4
    return min(PASS_TOKENS, int(budget // (ACTIVATION_BYTES * shape.num_hidden_layers * shape.hidden_size)))


def planned_steps(config: Config, *, num_rows: int, row_tokens: int) -> int:
    """Return the optimizer steps the [run] table asks for; `hours` is settled later, by timing."""
    run, per_step = config.run, config.rows.per_step
    if run.steps is not None:
        return run.steps
    if run.tokens is not None:
        return max(1, math.ceil(token_count(run.tokens) / (per_step * row_tokens)))
    return max(1, math.ceil((run.epochs or 1) * num_rows / per_step))


def token_count(value: str | int) -> int:
    """Read 20000000, "20M" or "1B" as a number of tokens."""
    if isinstance(value, int):
        return value
    units = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
    text = value.strip().upper().replace("_", "").replace(",", "")
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        count = round(float(number) * unit)
    except (ValueError, OverflowError):
        count = 0
    if count < 1:
        message = "run.tokens is not a number of tokens"
        raise ConfigError(message, where="[run]", found=repr(value), expected='for example 20000000 or "1B"')
    return count


def _model(config: Config, data: Data, *, folder: Path, device: torch.device) -> PreTrainedModel:
    tokenizer = data.tokenizer
    if config.model.source is not None:
        model = load_model(local(config.model.source, folder), device=device)
        check_vocabulary(model, tokenizer.vocab_size)
        if model.generation_config is not None:
            # A base model's own knows nothing of the token that ends a turn: served as it is, it would not stop.
            model.generation_config.eos_token_id = list(tokenizer.stop_ids) or None
        return model
    model = grow(
        config.model.preset or "",
        vocab_size=tokenizer.vocab_size,
        seed=config.run.seed,
        context=data.context,
        special=SpecialIds(bos=tokenizer.bos_id, eos=tokenizer.stop_ids, pad=tokenizer.pad_id),
    )
    return model.to(device)


def _padded(sizes: Ids, vocabulary: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Give ids that the model knows and the tokenizer does not a length of 0."""
    padded = np.zeros(max(vocabulary, len(sizes)), np.int64)
    padded[: len(sizes)] = sizes
    return padded
