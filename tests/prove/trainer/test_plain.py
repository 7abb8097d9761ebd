"""Plain transformers trainers: rows that come as token ids, with the mistakes that collators and loss functions make."""

from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import DataCollatorForLanguageModeling, DataCollatorForSeq2Seq, DataCollatorWithFlattening

from tests.prove.trainer.small import chats, encoded, network, plain, rows, tokenizer
from twosignal.errors import InputError
from twosignal.prove.receipt import Receipt
from twosignal.prove.trainer.proof import prove_trainer

pytestmark = pytest.mark.filterwarnings("ignore")


def masked(change: Any = None) -> Dataset:
    made = [encoded(one) for one in chats()]
    return Dataset.from_list([change(row) for row in made] if change else made)


def whole() -> Dataset:
    return Dataset.from_list([{"input_ids": encoded(one)["input_ids"]} for one in chats()])


def kinds(receipt: Receipt) -> dict[str, str | None]:
    return {check.id: check.kind for check in receipt.failures}


def padded() -> Any:
    return DataCollatorForSeq2Seq(tokenizer())


@pytest.mark.parametrize("steps", [1, 4])
def test_masked_rows_pass(steps: int) -> None:
    receipt = prove_trainer(plain(masked(), padded(), gradient_accumulation_steps=steps), quiet=True)
    assert receipt.passed, receipt.failures


def test_flattened_rows_are_followed_to_the_conversations_they_were() -> None:
    receipt = prove_trainer(plain(masked(), DataCollatorWithFlattening()), dataset=rows(chats()), quiet=True)
    assert receipt.passed, receipt.failures
    order = next(check for check in receipt.checks if check.id == "S5")
    assert order.evidence["whole"] == 16
    assert next(check for check in receipt.checks if check.id == "P1").passed


def test_everything_learned_is_an_intention() -> None:
    collator = DataCollatorForLanguageModeling(tokenizer(), mlm=False)
    assert prove_trainer(plain(whole(), collator), quiet=True).passed


def test_last_answers_only_are_an_intention() -> None:
    end = tokenizer().convert_tokens_to_ids("<|im_end|>")

    def last(row: dict[str, list[int]]) -> dict[str, list[int]]:
        ends = [place for place, label in enumerate(row["labels"]) if label == end]
        first = ends[-2] + 1 if len(ends) > 1 else 0
        return row | {"labels": [-100] * first + row["labels"][first:]}

    assert prove_trainer(plain(masked(last), padded()), quiet=True).passed


def test_padding_that_ends_turns_too_is_never_learned() -> None:
    tok = tokenizer(pad="<|im_end|>")
    receipt = prove_trainer(
        plain(whole(), DataCollatorForLanguageModeling(tok, mlm=False), tok=tok), quiet=True
    )
    assert kinds(receipt)["S8"] == "wrong-targets"


def test_labels_that_are_shifted_already_are_found() -> None:
    data = masked(lambda row: row | {"labels": [*row["labels"][1:], -100]})
    receipt = prove_trainer(plain(data, padded()), quiet=True)
    assert kinds(receipt)["S9"] == "wrong-targets"
    assert "shifted already" in next(c.message for c in receipt.failures if c.id == "S9")


@pytest.mark.parametrize(
    ("shift", "words"),
    [(1, "the token that ends an answer is not learned"), (-1, "the first token of an answer")],
)
def test_a_mask_that_is_off_by_one_is_found(shift: int, words: str) -> None:
    def moved(row: dict[str, list[int]]) -> dict[str, list[int]]:
        mask = np.roll(np.array(row["labels"]) != -100, -shift)
        return row | {"labels": [t if m else -100 for t, m in zip(row["input_ids"], mask, strict=True)]}

    receipt = prove_trainer(plain(masked(moved), padded()), quiet=True)
    check = next(check for check in receipt.failures if check.id == "S2")
    assert words in check.message
    assert check.kind == "wrong-targets"
    assert "[[" in check.evidence["text"]


def test_rows_without_any_target_are_found() -> None:
    data = masked(lambda row: row | {"labels": [-100] * len(row["labels"])})
    assert kinds(prove_trainer(plain(data, padded()), quiet=True))["S6"] == "no-targets"


class Joined:
    """Lays rows end to end and forgets where each begins."""

    def __init__(self, *, positions: bool, mask: bool) -> None:
        self.positions, self.mask = positions, mask

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = {
            name: torch.tensor([[value for row in features for value in row[name]]])
            for name in ("input_ids", "labels")
        }
        batch["labels"][0, np.cumsum([0, *(len(row["input_ids"]) for row in features[:-1])])] = -100
        if self.positions:
            batch["position_ids"] = torch.cat([torch.arange(len(row["input_ids"])) for row in features])[None]
        if self.mask:
            batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        return batch


def test_joined_rows_without_boundaries_are_read_as_several_conversations() -> None:
    receipt = prove_trainer(plain(masked(), Joined(positions=False, mask=False)), quiet=True)
    assert kinds(receipt)["P1"] == "leak"


def test_a_mask_of_ones_beside_positions_lets_neighbours_through() -> None:
    receipt = prove_trainer(plain(masked(), Joined(positions=True, mask=True)), quiet=True)
    assert kinds(receipt)["P1"] == "leak"
    assert prove_trainer(plain(masked(), Joined(positions=True, mask=False)), quiet=True).passed


def mean_loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    del num_items_in_batch
    logits = outputs["logits"][:, :-1].flatten(0, 1)
    return torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten())


class Ignorant(torch.nn.Module):
    """A model whose forward pass takes no count of targets."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()
        self.config = self.inner.config

    def get_input_embeddings(self) -> Any:
        return self.inner.get_input_embeddings()

    def forward(self, input_ids: Any, attention_mask: Any = None, labels: Any = None) -> dict[str, Any]:
        outputs = self.inner(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
        return {"loss": mean_loss(outputs, labels), "logits": outputs.logits}


def test_means_of_micro_batches_are_not_the_mean_of_the_step() -> None:
    receipt = prove_trainer(
        plain(masked(), padded(), model=Ignorant(), gradient_accumulation_steps=2), quiet=True
    )
    assert kinds(receipt)["P4"] == "wrong-targets"
    assert prove_trainer(plain(masked(), padded(), model=Ignorant()), quiet=True).passed


def test_a_loss_that_ignores_the_mask_is_found() -> None:
    class Unmasked(Ignorant):
        def forward(self, input_ids: Any, attention_mask: Any = None, labels: Any = None) -> dict[str, Any]:
            return super().forward(input_ids, attention_mask, labels if labels is None else input_ids)

    receipt = prove_trainer(
        plain(masked(), padded(), model=Unmasked(), per_device_train_batch_size=1), quiet=True
    )
    check = next(check for check in receipt.failures if check.id == "P5")
    assert "ignored" in check.message


def test_a_loss_function_that_learns_unlearned_tokens_is_found() -> None:
    def everything(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        del labels, num_items_in_batch
        squares: torch.Tensor = outputs["logits"].float().pow(2)
        return squares.mean()

    wrong = prove_trainer(plain(masked(), padded(), compute_loss_func=everything), quiet=True)
    assert kinds(wrong)["P5"] == "wrong-targets"
    assert prove_trainer(plain(masked(), padded(), compute_loss_func=mean_loss), quiet=True).passed


def test_weights_that_are_not_finite_are_named() -> None:
    model = network()
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[0, 0] = float("nan")
    receipt = prove_trainer(plain(masked(), padded(), model=model), quiet=True)
    check = next(check for check in receipt.failures if check.id == "P3")
    assert check.kind == "non-finite"
    assert "layers.1.mlp.up_proj" in check.message


def test_an_error_in_the_collator_is_a_failed_check() -> None:
    def broken(features: list[dict[str, Any]]) -> Any:
        return features[0]["no such column"]

    receipt = prove_trainer(plain(masked(), broken), quiet=True)
    assert [check.id for check in receipt.failures] == ["S6"]
    assert "KeyError" in receipt.failures[0].message


def test_what_is_no_trainer_is_refused() -> None:
    with pytest.raises(InputError, match="has no train_dataset"):
        prove_trainer(object())
