"""The clean set: healthy families of models under their own templates, on data of every shape; nothing may fire."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import AutoTokenizer

import twosignal
from tests.faults import families, sites
from tests.faults.families import FAMILIES
from tests.tokens import families as shipped
from twosignal.errors import SourceError
from twosignal.prove.receipt import Receipt
from twosignal.runfile import load_config
from twosignal.tokens import template
from twosignal.tokens.render import Renderer
from twosignal.train.setup import build

pytestmark = pytest.mark.filterwarnings("ignore")

NOT_ASKED = {"glm4": {"S8"}}
"""Checks that cannot be put: no token of its own ends GLM's turns."""
TEMPLATES = {
    "llama-3": "llama3_training",
    "qwen3": "qwen3_training",
    "qwen3-next": "qwen3_instruct_2507_training",
    "gemma2": "gemma_training",
    "gemma3": "gemma3_training",
    "phi3": "phi3_training",
    "phi3.5": "phi3_5_training",
    "cohere2": "cohere2_training",
    "glm4": "glm4moe_training",
    "lfm2": "lfm2_v2_training",
}
"""Of the families that TRL has a sound training template for."""
UNSOUND = {
    "qwen2.5": ("qwen2_5_training", "S2", "the end of the prompt"),
    "deepseek-v3": ("deepseekv3_training", "S3", "what stands before an answer"),
    "gpt-oss": ("gptoss_training", "S2", "the end of the prompt"),
    "nemotron": ("nemotron_3_nano_training", "S3", "what stands before an answer"),
}
"""Training templates of TRL that are refused, with the check and its reason: they learn what the prompt supplies, or
train under a prompt that is not served."""
APART = {"qwen3-next", "cohere2", "lfm2", "mamba", "gpt-oss"}
"""Families that TRL cannot pack soundly, or whose system text fills a row."""


SOME_FAST = [
    name if number % 2 == 0 else pytest.param(name, marks=pytest.mark.slow)
    for number, name in enumerate(FAMILIES)
]
"""Every other family is left to the slow set."""


def told(receipt: Receipt) -> str:
    return "; ".join(f"{c.id} {c.kind}: {c.message}" for c in receipt.failures)


@pytest.mark.parametrize("name", SOME_FAST)
def test_a_healthy_run_passes_every_check(name: str, tmp_path: Path) -> None:
    receipt = twosignal.prove(
        families.run_file(tmp_path, name, {"mixed": families.mixed(name)}), runs_dir=tmp_path
    )
    assert receipt.passed, told(receipt)
    assert {c.id for c in receipt.checks if c.passed is None} == NOT_ASKED.get(name, set())
    receipt.raise_if_refused()


def test_data_rendered_on_another_day_still_passes_and_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Llama 3.2 writes the date; the store keeps what was rendered when it was made."""
    file = families.run_file(tmp_path, "llama-3.2", {"mixed": families.mixed("llama-3.2")})
    with monkeypatch.context() as earlier:
        earlier.setattr(template, "datetime", SimpleNamespace(now=lambda: datetime(2024, 7, 26, 12, 30)))
        build(load_config(file), folder=tmp_path, runs_dir=tmp_path, say=print)
    receipt = twosignal.prove(file, runs_dir=tmp_path)
    assert receipt.passed, told(receipt)
    (check,) = [check for check in receipt.checks if check.id == "S3"]
    assert check.message.endswith("this data is rendered as of 2024-07-26 12:30")
    assert twosignal.prove(file, runs_dir=tmp_path).as_dict(clock=False) == receipt.as_dict(clock=False)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_template_has_no_place_for_is_refused_in_its_own_words(name: str) -> None:
    renderer = Renderer(families.tokenizer(name))
    for shape in FAMILIES[name].refuses:
        with pytest.raises(SourceError, match="the chat template") as caught:
            renderer.render(families.record(families.SHAPES[shape][0]))
        assert "data/chats.jsonl:7" in str(caught.value)
        assert "None" not in str(caught.value)


def trained(folder: Path, name: str, some: list[Any], *, chat_template: str = "", **settings: Any) -> Receipt:
    """The proof of TRL's trainer with a family's model and tokenizer, packing where it can."""
    theirs = AutoTokenizer.from_pretrained(families.save(name, folder / "model"))
    theirs.chat_template = shipped.template(chat_template) if chat_template else theirs.chat_template
    packs = name not in APART
    values = {
        "packing": packs,
        "per_device_train_batch_size": 1 if packs else 2,
        "max_length": 2048 if name in APART else 512,
        **settings,
    }
    trainer = sites.sft(folder, some, given=families.model(name), theirs=theirs, **values)
    receipt: Receipt = twosignal.prove_trainer(trainer, quiet=True)
    return receipt


def chats(name: str) -> list[sites.Chat]:
    some = sites.chats(16)
    return [one for one in some if "system" not in FAMILIES[name].refuses or one[0]["role"] != "system"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_healthy_trainer_of_answers_passes(name: str, tmp_path: Path) -> None:
    receipt = trained(tmp_path, name, sites.messages(chats(name)), chat_template=TEMPLATES[name])
    assert receipt.passed, told(receipt)
    assert {"S1", "S2", "S3"} <= {check.id for check in receipt.checks if check.passed}


def test_phi_3_with_its_end_of_turn_as_end_of_text_passes(tmp_path: Path) -> None:
    """The template writes `<|end|>` once more behind the last turn, and its markers take that in."""
    receipt = trained(tmp_path, "phi3.5", sites.messages(chats("phi3.5")), chat_template="phi3_training")
    assert receipt.passed, told(receipt)


@pytest.mark.parametrize("name", UNSOUND)
def test_a_training_template_that_is_unsound_is_refused_for_its_reason(name: str, tmp_path: Path) -> None:
    unsound, check, reason = UNSOUND[name]
    receipt = trained(tmp_path, name, sites.messages(chats(name)), chat_template=unsound)
    (found,) = [c for c in receipt.failures if c.id == check]
    assert reason in found.message
    assert found.remedy


def pairs(name: str) -> list[Any]:
    return [{"prompt": chat[:-1], "completion": chat[-1:]} for chat in chats(name)]


TEMPLATED = [name for name in FAMILIES if FAMILIES[name].template and name != "nemotron"]
"""TRL has nothing to render with where there is no template; Nemotron's writes `<think></think>` before an answer whose
prompt ends with `<think>`, so that what is trained is never served, and S3 says so."""
STOPPING = [name for name in TEMPLATED if name != "glm4"]
"""GLM's template writes no stop behind a last answer: a completion alone never teaches one, and S8 says so."""


@pytest.mark.slow
@pytest.mark.parametrize("name", STOPPING)
def test_a_healthy_trainer_of_completions_passes(name: str, tmp_path: Path) -> None:
    receipt = trained(tmp_path, name, pairs(name), assistant_only_loss=False)
    assert receipt.passed, told(receipt)


@pytest.mark.slow
@pytest.mark.parametrize("name", TEMPLATED)
def test_a_healthy_trainer_of_everything_passes(name: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "assistant_only_loss": False,
        "packing": False,
        "per_device_train_batch_size": 4,
    }
    receipt = trained(tmp_path, name, sites.messages(chats(name)), **settings)
    assert receipt.passed, told(receipt)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_shape_of_data_passes_as_a_source_of_its_own(name: str, tmp_path: Path) -> None:
    sources = {shape: 4 * rows for shape, rows in families.shapes(name).items()}
    sources |= {"tokens": 4 * families.tokenized(name), "books": 4 * list(families.TEXTS)}
    receipt = twosignal.prove(families.run_file(tmp_path, name, sources), runs_dir=tmp_path)
    assert receipt.passed, told(receipt)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["cut-turns", "split", "drop"])
@pytest.mark.parametrize("name", FAMILIES)
def test_chats_longer_than_a_row_pass_every_way_of_cutting(name: str, way: str, tmp_path: Path) -> None:
    shortest = len(
        Renderer(families.tokenizer(name)).render(families.record(families.SHAPES["plain"][0])).ids
    )
    more = f'[rows]\ntokens = {shortest + 40}\ntoo_long = "{way}"\nmax_lost = 1.0\n'
    sources = {"mixed": families.mixed(name), "books": 4 * list(families.TEXTS)}
    receipt = twosignal.prove(families.run_file(tmp_path, name, sources, more=more), runs_dir=tmp_path)
    assert receipt.passed, told(receipt)
