"""A model is evaluated for a while and then as it was."""

import pytest
import torch
from torch import nn

from twosignal.model.modes import evaluating


def test_modes_and_gradients_come_back_even_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Sequential(nn.Dropout()))
    model[2].eval()

    def fail() -> None:
        with evaluating(model):
            assert not any(module.training for module in model.modules())
            assert not torch.is_grad_enabled()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [module.training for module in model.modules()] == [True, True, True, False, False]
    assert torch.is_grad_enabled()
