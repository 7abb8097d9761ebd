"""What a run file may say: takes TOML and `--set` options, gives a frozen `Config` whose every field is known and typed.

One class per table of the file; the docstring under a field is its documentation.
Reading and the error sentences are in `runfile.py`.
"""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Bound = Annotated[float, Field(gt=0, allow_inf_nan=False)]
SourceName = Annotated[str, Field(pattern=r"^\w[\w.-]{0,63}$")]
"""A source's name is a part of file names, column names and lines on screen."""


class Table(BaseModel):
    """A TOML table: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True
    )


class RunTable(Table):
    """`[run]`: how long, and under which name."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Letters, digits, dot, dash and underscore; the run folder's name starts with it."""
    steps: Positive | None = None
    """Optimizer steps. Give one of steps, epochs, tokens, hours; without any, one epoch."""
    epochs: Annotated[float, Field(gt=0)] | None = None
    """Passes over all rows."""
    tokens: str | Positive | None = None
    """Tokens of packed rows to train on, for example "1B" or 20000000."""
    hours: Annotated[float, Field(gt=0)] | None = None
    """Wall time: turned into steps by timing a few steps before the first."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Starts every random choice of the run."""

    @model_validator(mode="after")
    def _one_length(self) -> "RunTable":
        given = [k for k in ("steps", "epochs", "tokens", "hours") if getattr(self, k) is not None]
        if len(given) > 1:
            message = f"give only one of {', '.join(given)}"
            raise ValueError(message)
        return self


class ModelTable(Table):
    """`[model]`: a pretrained model, or a preset to grow from scratch."""

    source: str | None = Field(default=None, alias="from")
    """A folder, a hub id such as "Qwen/Qwen3-0.6B", or a run folder."""
    preset: str | None = None
    """Name of a shape to grow from random weights, for example "tiny"."""
    context: Positive | None = None
    """Longest row the grown model is made for; default: rows.tokens or the preset's own."""

    @model_validator(mode="after")
    def _one_source(self) -> "ModelTable":
        if (self.source is None) == (self.preset is None):
            message = 'give either from = "folder or hub id" or preset = "name"'
            raise ValueError(message)
        return self


class TokenizerTable(Table):
    """`[tokenizer]`: only when growing from scratch."""

    kind: Literal["bpe", "character", "bytes"] = "bpe"
    """bpe: byte-level pairs trained on the sources; character: one token per character seen; bytes: 256."""
    vocab: Annotated[int, Field(ge=270)] = 8192
    """Entries of a bpe vocabulary, special tokens included."""
    source: str | None = Field(default=None, alias="from")
    """A folder or hub id whose tokenizer is used as it is."""


class RoleRule(Table):
    """`supervise = { role = "assistant", name = "Zara" }`: only this voice is learned."""

    role: str = "assistant"
    """Role of the supervised turns."""
    name: str | None = None
    """Only turns by this speaker."""


class SourceTable(Table):
    """`[sources.NAME]`: conversations or documents of one kind."""

    path: str | list[str]
    """File, folder, glob, "hf:owner/name", "builtin:NAME", or a list of these."""
    format: Literal["auto", "messages", "sharegpt", "alpaca", "prompt-completion", "text"] = "auto"
    """Shape of the records; auto looks at the keys of each."""
    supervise: Literal["all", "assistant", "last"] | RoleRule = "assistant"
    """Which turns of a conversation are learned; documents are always learned whole."""
    floor: Share = 0.0
    """Least share of rows this source gets."""
    cap: Share = 1.0
    """Largest share of rows this source gets; 0 retires it."""
    weight: Annotated[float, Field(ge=0)] | None = None
    """Share of rows under policy "fixed", relative to the other weights."""
    held_out: Share = 0.02
    """Share of records kept for probes and prompts, chosen by their text."""
    held_out_at: Literal["hash", "end"] = "hash"
    """hash: records spread over the source; end: the last part of every file."""
    documents: Literal["sections", "files", "lines", "paragraphs"] = "sections"
    """How text files are cut: sections of about 16,000 characters, whole files, or one per line or paragraph."""
    limit: Positive | None = None
    """Read at most so many records."""
    max_bad: Share = 0.01
    """Share of malformed records above which the source is refused."""


class RowsTable(Table):
    """`[rows]`: the shape of a step."""

    tokens: Annotated[int, Field(ge=8)] | None = None
    """Length of a packed row; default: the model's context, at most 4096."""
    per_step: Positive = 16
    """Rows of one optimizer step."""
    per_pass: Positive | None = None
    """Rows of one forward pass; default: by the model's size and the memory, at most 16,384 tokens."""
    too_long: Literal["refuse", "cut-turns", "split", "drop"] = "refuse"
    """What happens to conversations longer than a row. Documents are always split."""
    max_lost: Share = 0.02
    """Share of targets that over-long conversations may cost before "refuse" refuses."""
    packing: Literal["best-fit", "sequential"] | bool = True
    """How rows are filled: best-fit, as full as can be (also: true), or sequential, one piece after another in
    shuffled order. False: one conversation per row, for comparison."""


class TrainTable(Table):
    """`[train]`: the optimizer and the schedule."""

    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Peak; default by what is trained: 1e-3 from scratch up to 20M parameters, 2e-5 fine-tuning."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: matrices by Muon, the rest by AdamW; for growing from scratch."""
    schedule: Literal["wsd", "cosine", "linear", "constant"] = "wsd"
    """wsd: warm up, stay, decay linearly."""
    warmup: Annotated[float, Field(ge=0)] = 0.02
    """Below 1 a share of all steps, else a number of steps."""
    decay: Share = 0.3
    """Share of steps over which wsd decays."""
    end: Share = 0.05
    """Final learning rate as a share of the peak."""
    rewarm: Annotated[float, Field(ge=0)] = 0.0
    """Steps of linear warmup after the sources changed: a phase that ends, an operator's mix, a gate's cap; below 1 a share
    of all steps, 0 none."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Largest global gradient norm; 0 switches clipping off."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """On matrices only; never on norms, biases and embeddings."""
    beta1: Share = 0.9
    """First AdamW coefficient."""
    beta2: Share = 0.95
    """Second AdamW coefficient."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the forward and backward pass; weights stay float32. auto: bfloat16 where the machine computes in it."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the layers: about a fifth faster on a CPU after some 20 seconds, but a resumed run may then differ in the
    last bits. auto: on CUDA, for runs of 1,000 steps or more."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: Positive | None = None
    """CPU threads; default: torch's own choice."""


class ClassicTable(Table):
    """`[curriculum.classic]`: constants of policy "classic"."""

    window: Literal["seven-dice", "seven-times-one", "uniform"] = "seven-dice"
    """How the length of a window, 7 to 42 steps, is drawn: the sum of seven dice, seven times one die, or each alike."""
    focus: Positive | None = None
    """Sources in focus during a window; default: as a die falls."""
    exploration: Annotated[float, Field(ge=0)] = 2**0.5
    """C of the score mean + C sqrt(ln N / n)."""


class CurriculumTable(Table):
    """`[curriculum]`: which source the rows of a step come from."""

    policy: Literal["bandit", "proportional", "uniform", "fixed", "classic", "odm", "aioli"] = "bandit"
    """bandit: credit by what a source does to the held-out target; proportional: by rows; uniform: equal shares; fixed: by
    each source's weight; classic, odm and aioli: others' methods, for comparison."""
    target: list[str] | dict[str, Annotated[float, Field(gt=0)]] = []
    """Sources or files whose held-out loss counts, or a table of them with weights; default: all chat sources."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Steps during which only the sources of `warmup_sources` are drawn."""
    warmup_sources: list[str] = []
    """Sources of the first `warmup` steps."""
    max_epochs: Annotated[float, Field(ge=0)] | None = None
    """Passes over a source after which it is not drawn again; 0: no limit. Default: 5 under "bandit", else none; it is off
    where all sources together would not last to the end."""
    probe_cost: Annotated[float, Field(gt=0, le=0.5)] = 0.015
    """Share of the training time that the policy's own probes may take; it sets how often they come."""
    probe_rows: Positive = 4
    """Held-out rows of each target that the policy probes; apart from the reported ones where there are enough."""
    on_resume: Literal["keep", "decay", "reset"] | dict[str, Literal["keep", "decay", "reset"]] = "decay"
    """What the policy knows of the sources when a run goes on with a changed curriculum: for all, or by source."""
    on_plateau: Literal["note", "restart-rate"] = "note"
    """When the held-out loss stands still: note it, or raise the learning rate again, once."""
    classic: ClassicTable = ClassicTable()
    """Constants of policy "classic"."""


class ProbesTable(Table):
    """`[probes]`: held-out loss per source."""

    every: Positive = 100
    """Steps between probes."""
    rows: Annotated[int, Field(ge=0)] = 8
    """Held-out rows per source; 0 takes all."""


class SamplesTable(Table):
    """`[samples]`: what the model says by itself."""

    every: Positive = 100
    """Steps between samplings."""
    tokens: Positive = 420
    """Free tokens per sampling and prompt."""
    prompts: list[str] = []
    """The panel; default: drawn from the held-out part of every source."""
    panel: Positive = 4
    """Size of the drawn panel; at least one prompt per source."""
    temperature: Annotated[float, Field(ge=0)] = 0.8
    """0 takes the likeliest token."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Draw from the likeliest tokens that hold this share of the probability."""
    copies: bool = True
    """Look for every sample in the run's own training text; the index is built once, takes about 1.4 bytes per byte."""


class GateTable(Table):
    """`[gate]`: what stops the run."""

    action: Literal["note", "halt", "roll-back"] = "halt"
    """note: record the verdict and go on; halt: record, and stop with exit code 3; roll-back: go back to the newest
    checkpoint whose samples were sound, lower the learning rate, skip the data that led there, and go on."""
    rollbacks: Positive = 2
    """How often "roll-back" goes back before it halts."""
    rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    """What the learning rate is multiplied by at each roll back."""
    remixes: Annotated[int, Field(ge=0)] = 0
    """How often the share of a source may be cut that samples are copied from or loop in, at a roll back or, for copies, by
    itself; 0: never."""
    remix_share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """What the share of such a source is multiplied by; its floor holds."""
    rule: Literal["default", "andrea", "all-four"] = "default"
    """Which texts stop the run. default: five low coherence totals or loops in a row, or too many degenerate texts once
    the model has learned to speak; andrea: low totals only; all-four: repetitive word pairs and triples only. The
    held-out loss is watched with each."""
    threshold: Annotated[float, Field(ge=0, le=100)] = 30.0
    """Coherence totals below this are strikes."""
    patience: Positive = 5
    """Strikes in a row that stop the run."""


AlertKind = Literal["note", "halt", "roll-back", "re-mix", "failed", "finished"]


class AlertsTable(Table):
    """`[alerts]`: who is told, and of what. Nothing is sent unless asked for here."""

    webhook: str | None = None
    """Address that gets a JSON object by POST; "$NAME" reads it from the environment, so that no secret is in a file."""
    command: list[str] = []
    """Program and arguments, run without a shell, with the same JSON object on its standard input; for mail, see
    docs/alerts.md."""
    on: list[AlertKind] = ["halt", "roll-back", "re-mix", "failed"]
    """Of what: note (a verdict that is only noted), halt, roll-back, re-mix, failed, finished."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 10.0
    """Seconds after which one is given up; training never waits."""

    @model_validator(mode="after")
    def _reachable(self) -> "AlertsTable":
        if self.webhook is not None and not self.webhook.startswith(("http://", "https://", "$")):
            message = "webhook must begin with http://, https:// or $"
            raise ValueError(message)
        if self.command and not self.command[0]:
            message = "command must begin with the name of a program"
            raise ValueError(message)
        return self


class TiersTable(Table):
    """`[tiers]`: where the loss of a sample changes its meaning, in nats per token; each bound above the one before."""

    alert: Bound = 0.20
    """Below: perhaps copied, INVESTIGATE, unless the text is short or was found nowhere in the training text."""
    factual: Bound = 0.50
    """Below: facts, mostly learned by heart; ACCEPT."""
    textbook: Bound = 0.90
    """Below: textbook lines; ACCEPT."""
    constraint: Bound = 1.45
    """Below: follows a constraint; ACCEPT_WITH_NOTE."""
    imprecise: Bound = 2.45
    """Below: right idea, imprecise; ACCEPT_WITH_NOTE."""
    vocabulary: Bound = 4.0
    """Below: words without meaning; ACCEPT_WITH_NOTE."""
    structure: Bound = 7.0
    """Below: basic structure; ACCEPT_WITH_NOTE. Above, up to random chance: random; beyond that: INVESTIGATE."""

    @model_validator(mode="after")
    def _rising(self) -> "TiersTable":
        bounds = list(type(self).model_fields)
        for lower, upper in pairwise(bounds):
            low, high = getattr(self, lower), getattr(self, upper)
            if not low < high:
                message = f"{upper} = {high:g} must be above {lower} = {low:g}: each tier begins where the one before ends"
                raise ValueError(message)
        return self


class CheckpointsTable(Table):
    """`[checkpoints]`: what is kept."""

    every: Positive | None = None
    """Steps between checkpoints; default: as samples.every."""
    keep: Positive = 3
    """Newest checkpoints kept; besides stay the best by probe loss, two to roll back to, and the newest before a verdict
    that changed anything."""
    ladder: bool = True
    """Keep older ones too, at distances that grow with age: of 2,000 about eleven."""
    wait_minutes: Annotated[float, Field(ge=0)] = 60.0
    """How long the run waits for room on a full disk before it stops; it goes on by itself when there is room."""


class Config(Table):
    """A whole run file."""

    run: RunTable
    model: ModelTable
    sources: Annotated[dict[SourceName, SourceTable], Field(min_length=1)]
    tokenizer: TokenizerTable = TokenizerTable()
    rows: RowsTable = RowsTable()
    train: TrainTable = TrainTable()
    curriculum: CurriculumTable = CurriculumTable()
    probes: ProbesTable = ProbesTable()
    samples: SamplesTable = SamplesTable()
    tiers: TiersTable = TiersTable()
    gate: GateTable = GateTable()
    alerts: AlertsTable = AlertsTable()
    checkpoints: CheckpointsTable = CheckpointsTable()
