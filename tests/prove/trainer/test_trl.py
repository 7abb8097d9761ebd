"""Real TRL trainers: what is healthy passes, and every defect that is live in TRL is found by the check that names it."""

from typing import Any

import pytest

from tests.prove.trainer.cases import DEFECTS, HEALTHY, SLOW, Case
from twosignal.prove.trainer.proof import prove_trainer

pytestmark = pytest.mark.filterwarnings("ignore")


def marked(cases: list[Case]) -> list[Any]:
    return [
        pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.name in SLOW else [])
        for case in cases
    ]


@pytest.mark.parametrize("case", marked(HEALTHY))
def test_a_healthy_configuration_passes(case: Case) -> None:
    receipt = prove_trainer(case.build(), quiet=True)
    assert receipt.passed, [(check.id, check.message) for check in receipt.failures]
    assert receipt.as_dict()["targets"] > 100


@pytest.mark.parametrize("case", marked(DEFECTS))
def test_a_live_defect_is_found(case: Case) -> None:
    receipt = prove_trainer(case.build(), quiet=True)
    found = {check.id: check for check in receipt.failures}
    assert set(case.fails) <= set(found), receipt.failures
    assert found[case.fails[0]].kind == case.kind
    assert all(found[name].remedy for name in case.fails)
