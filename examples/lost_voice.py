"""A model that lost its voice, in four acts: what goes wrong, what the log shows, what the proof says, and what works.

    pip install "twosignal[trl]"
    python examples/lost_voice.py

Takes nothing: a tiny model with random weights, a tokenizer trained on the spot and made-up chats, on the CPU, in less than
a minute. Gives what it prints. TRL trains on the answers of packed chats, and is broken in two ways.
"""

import logging
import random
import tempfile
import warnings
from pathlib import Path

import datasets
import torch
import transformers
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

import twosignal
from twosignal.errors import HaltedError

WORDS = [
    "amber",
    "bridge",
    "candle",
    "delta",
    "ember",
    "forest",
    "garden",
    "harbour",
    "island",
    "lantern",
    "meadow",
]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def main() -> None:
    """Play the four acts."""
    be_quiet()
    tokenizer, chats = make_tokenizer(), make_chats(96)

    print("ACT 1  Two broken runs: TRL, packing, loss on answers only.\n")
    print("  a) Under packing the attention kernel returns NaN for rows of more than two chats.")
    print("  b) The chats come with their token ids, so TRL takes those, and finds no mask beside them.\n")
    broken = trained(packed(tokenizer, chats, model=breaks_when_packed(make_model(tokenizer))))
    silent = trained(packed(tokenizer, with_ids(tokenizer, chats)))

    print("ACT 2  What their logs show.\n")
    print("  a) a loss of dozens, then 0: it looks as if nothing were left to learn, and is not so")
    show_log(broken)
    print("  b) nothing at all: every token is learned, the questions too, and the loss looks healthy")
    show_log(silent)

    print("ACT 3  What the proof says, before step one.\n")
    for name, trainer in (
        ("a", packed(tokenizer, chats, model=breaks_when_packed(make_model(tokenizer)))),
        ("b", packed(tokenizer, with_ids(tokenizer, chats))),
    ):
        show_receipt(name, twosignal.prove_trainer(trainer, quiet=True))
    print("  And had they been started all the same, with callbacks=[TwoSignalCallback()]:\n")
    show_halt("a", packed(tokenizer, chats, model=breaks_when_packed(make_model(tokenizer))))
    show_halt("b", packed(tokenizer, with_ids(tokenizer, chats)))

    print("ACT 4  The packed run that works, and the unpacked one.\n")
    compare(watched_run(tokenizer, chats, packing=True), watched_run(tokenizer, chats, packing=False))


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level tokenizer on the words of the chats."""
    grown = Tokenizer(models.BPE())
    grown.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    grown.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<|im_start|>", "<|im_end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    grown.train_from_iterator([" ".join(WORDS)] * 20 + ["user assistant\n"] * 20, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=grown, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_chats(number: int) -> list[dict]:
    """Make up chats of one to three exchanges."""
    dice = random.Random(7)

    def words(fewest: int, most: int) -> str:
        return " ".join(dice.choice(WORDS) for _ in range(dice.randint(fewest, most)))

    return [
        {
            "messages": [
                {"role": role, "content": words(*length)}
                for _ in range(dice.randint(1, 3))
                for role, length in (("user", (3, 9)), ("assistant", (2, 16)))
            ]
        }
        for _ in range(number)
    ]


def with_ids(tokenizer: PreTrainedTokenizerFast, chats: list[dict]) -> list[dict]:
    """Add the token ids to every chat, and no mask."""
    return [
        {**chat, "input_ids": tokenizer.apply_chat_template(chat["messages"])["input_ids"]} for chat in chats
    ]


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Make a Llama of two layers, the same every time."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            initializer_range=0.08,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def breaks_when_packed(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """Stand in for a kernel that does not know where packed chats begin: NaN where a row holds more than two."""

    def kernel(attention, arguments, named, output):  # noqa: ANN001, ANN202, ARG001
        positions = named.get("position_ids")
        if positions is not None and int((positions == 0).sum()) > 2:
            return (output[0] * float("nan"), *output[1:])
        return output

    model.model.layers[0].self_attn.register_forward_hook(kernel, with_kwargs=True)
    return model


def packed(
    tokenizer: PreTrainedTokenizerFast,
    rows: list[dict],
    *,
    model: LlamaForCausalLM | None = None,
    **more: object,
) -> SFTTrainer:
    """Set up TRL on packed rows; eight of them make a step."""
    settings = {
        "output_dir": tempfile.mkdtemp(),
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_steps": 1,
        "seed": 25,
        "packing": True,
        "assistant_only_loss": True,
        "max_length": 200,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "max_steps": 3,
        "learning_rate": 1e-3,
        "lr_scheduler_type": "constant",
        **more,
    }
    trainer = SFTTrainer(
        model=model or make_model(tokenizer),
        args=SFTConfig(**settings),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def trained(trainer: SFTTrainer) -> SFTTrainer:
    """Train, and return the trainer with its log."""
    trainer.train()
    return trainer


def show_log(trainer: SFTTrainer) -> None:
    """Print TRL's own log."""
    for line in trainer.state.log_history:
        if "loss" in line:
            figures = "   ".join(
                f"{name} {line[name]:.4g}" for name in ("loss", "grad_norm", "entropy", "mean_token_accuracy")
            )
            print(f"       step {line['step']}   {figures}")
    print()


def show_receipt(name: str, receipt) -> None:  # noqa: ANN001
    """Print what the proof found."""
    print(f"  {name}) {'nothing is wrong' if receipt.passed else 'refused'}")
    for check in receipt.failures:
        print(f"       {check.id}  {check.kind}: {check.message}")
    print()


def show_halt(name: str, trainer: SFTTrainer) -> None:
    """Train with the callback, and print why it stopped."""
    trainer.add_callback(twosignal.TwoSignalCallback())
    try:
        trainer.train()
    except HaltedError as halted:
        print(
            f"  {name}) stopped at step {trainer.state.global_step + 1}, before a weight moved\n       {halted.message}\n"
        )


def watched_run(tokenizer: PreTrainedTokenizerFast, chats: list[dict], *, packing: bool):  # noqa: ANN201
    """Train four steps over all chats with the callback on; return what it recorded."""
    runs = Path(tempfile.mkdtemp())
    trainer = packed(
        tokenizer, chats, packing=packing, gradient_accumulation_steps=1000, max_steps=-1, num_train_epochs=4
    )
    trainer.add_callback(twosignal.TwoSignalCallback(runs=runs))
    trainer.train()
    return twosignal.open_run(next(runs.glob("host-*"))).steps()


def compare(one, other) -> None:  # noqa: ANN001
    """Print targets and summed losses of two runs side by side."""
    print("              targets                 summed loss")
    print("       step   packed   unpacked       packed     unpacked     apart")
    for a, b in zip(one, other, strict=True):
        targets = f"{a['targets']:6,}   {b['targets']:8,}"
        apart = abs(a["loss_sum"] / b["loss_sum"] - 1)
        print(
            f"       {a['step']:4}   {targets}   {a['loss_sum']:10.4f}   {b['loss_sum']:10.4f}   {apart:.1e}"
        )
    print(f"\n  {one['rows'][0]} rows in place of {other['rows'][0]}, the same targets and the same loss.")


def be_quiet() -> None:
    """Keep everybody's progress bars and warnings out of the story."""
    transformers.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    warnings.simplefilter("ignore")
    logging.getLogger("trl").setLevel(logging.ERROR)


if __name__ == "__main__":
    main()
