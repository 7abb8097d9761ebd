"""The proof leaves no trace: trainer, model, random numbers and the training that follows are as without it."""

import random
from typing import Any

import pytest
import torch

from tests.prove.trainer.small import chats, network, rows, sft
from twosignal.prove.trainer.proof import prove_trainer

pytestmark = pytest.mark.filterwarnings("ignore")


def losses(trainer: Any) -> list[Any]:
    trainer.train()
    return [
        {name: entry[name] for name in ("loss", "grad_norm", "entropy", "num_tokens") if name in entry}
        for entry in trainer.state.log_history
    ]


def test_training_after_the_proof_is_training_without_it() -> None:
    def build() -> Any:
        torch.manual_seed(0)
        model = network()
        model.config.attention_dropout = 0.1
        return sft(model=model, max_steps=3, learning_rate=1e-3, per_device_train_batch_size=2)

    proved, other = build(), build()
    prove_trainer(proved, quiet=True)
    assert losses(proved) == losses(other)
    assert len(proved.state.log_history) > 2


def test_trainer_model_and_random_numbers_stay_as_they_were() -> None:
    trainer = sft()
    trainer.model.train()
    trainer.model.lm_head.eval()
    next(trainer.model.parameters()).grad = torch.ones_like(next(trainer.model.parameters()))
    names = set(vars(trainer))
    weights = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
    before = torch.get_rng_state(), random.getstate()
    prove_trainer(trainer, dataset=rows(chats()), quiet=True)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert set(vars(trainer)) == names
    assert trainer.model.training
    assert not trainer.model.lm_head.training
    assert float(next(trainer.model.parameters()).grad.mean()) == 1.0
    assert all(torch.equal(weight, weights[name]) for name, weight in trainer.model.state_dict().items())
    assert trainer._metrics["train"] == {}
    assert trainer._total_train_tokens == 0
    assert trainer.accelerator._dataloaders == []


def test_the_receipt_is_printed_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    trainer = sft(rows(chats(4)))
    prove_trainer(trainer, quiet=True)
    assert not capsys.readouterr().out
    receipt = prove_trainer(trainer)
    assert "what will be trained on" in capsys.readouterr().out
    assert set(receipt.as_dict()) >= {
        "passed",
        "checks",
        "targets",
        "targets_lost",
        "rows",
        "fill",
        "steps",
        "seconds",
    }
