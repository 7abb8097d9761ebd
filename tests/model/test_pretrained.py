"""Models come back from disk as they went there, and what cannot be loaded is explained."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BertConfig, BertModel, PreTrainedModel, T5Config, T5Model
from transformers.utils import logging

from twosignal.errors import InputError, RefusedError, RunError
from twosignal.model.attention import packed_inputs
from twosignal.model.context import context_limit
from twosignal.model.isolation import isolate
from twosignal.model.presets import SpecialIds, grow
from twosignal.model.pretrained import check_vocabulary, find_model, load_model, save_model
from twosignal.model.way import is_isolated

from .families import flat, for_each, make, random_documents


def tiny_model() -> PreTrainedModel:
    return grow("tiny", vocab_size=300, context=64, seed=0, special=SpecialIds(bos=1, eos=(2, 3), pad=0))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_model(tiny_model(), folder)
    return folder


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        given: torch.Tensor = model(**packed_inputs(*flat(random_documents([5, 9])))).logits
    return given


@for_each(["Llama", "GPT-2", "Gemma3"])
@torch.no_grad()
def test_transformers_loads_what_was_saved_with_the_same_logits(family: str, tmp_path: Path) -> None:
    model = isolate(make(family))
    save_model(model, tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    loaded.set_attn_implementation("eager")
    document = random_documents([9])[0]
    theirs = loaded(input_ids=document[None]).logits[0]
    ours = model(**packed_inputs(*flat([document]))).logits[0]
    assert (theirs - ours).abs().max() < 1e-5
    assert torch.equal(logits(load_model(str(tmp_path))), logits(model))


def test_a_grown_model_with_tied_weights_survives_the_round_trip(saved: Path) -> None:
    loaded = load_model(str(saved))
    assert torch.equal(logits(loaded), logits(tiny_model()))
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    assert loaded.dtype == torch.float32
    assert is_isolated(loaded)
    assert not loaded.training


def test_plain_files_are_written_and_no_pickle(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
    }
    assert json.loads((saved / "generation_config.json").read_text())["eos_token_id"] == [2, 3]


def test_no_progress_bar_is_drawn(saved: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    was_shown = logging.is_progress_bar_enabled()
    save_model(load_model(str(saved)), tmp_path)
    assert "%" not in capfd.readouterr().err
    assert logging.is_progress_bar_enabled() == was_shown


def test_settings_of_generation_that_transformers_calls_invalid_are_saved_all_the_same(
    saved: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((saved / name).read_bytes())
    settings = {"do_sample": False, "temperature": 0.3, "eos_token_id": 2}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    save_model(load_model(str(folder)), tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    assert (tmp_path / "config.json").is_file()


def test_half_precision_weights_are_loaded_in_float32(tmp_path: Path) -> None:
    save_model(tiny_model().to(torch.bfloat16), tmp_path)
    assert load_model(str(tmp_path)).dtype == torch.float32


def test_a_run_folder_gives_its_newest_checkpoint(tmp_path: Path, saved: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    for name in ("step-00000200", "step-00001000", ".step-00002000.partial"):
        (checkpoints / name).mkdir(parents=True)
        for file in saved.iterdir():
            (checkpoints / name / file.name).symlink_to(file)
    assert find_model(str(tmp_path)) == str(checkpoints / "step-00001000")
    assert find_model(str(checkpoints / "step-00000200")) == str(checkpoints / "step-00000200")


def test_a_run_without_a_checkpoint_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(RunError, match="no checkpoint yet"):
        load_model(str(tmp_path))


@pytest.mark.parametrize("source", ["./absent", "/absent/model", "../absent", "a/b/c", "two words"])
def test_a_missing_folder_is_not_looked_for_on_the_hub(source: str) -> None:
    with pytest.raises(InputError, match=r"there is no such folder.*expected a folder with config.json"):
        load_model(source)


def test_a_file_is_not_a_model(saved: Path) -> None:
    with pytest.raises(InputError, match="a file, not a folder"):
        load_model(str(saved / "config.json"))


def test_a_hub_id_without_network_is_an_error_with_both_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        message = "We couldn't connect to the hub\nand more"
        raise OSError(message)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", unreachable)
    with pytest.raises(InputError) as caught:
        load_model("nobody/nothing")
    assert str(caught.value) == (
        "nobody/nothing: the model is neither a folder here nor could it be had from the hub "
        "(found We couldn't connect to the hub). "
        "Check the name and the network, or give a folder that holds the model."
    )


def test_a_folder_without_config_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        load_model(str(tmp_path))


def test_pickled_weights_are_refused_by_name(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    with pytest.raises(InputError, match="no weights in the safetensors format"):
        load_model(str(tmp_path))
    torch.save(load_file(saved / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"found pytorch_model\.bin\)\. Pickles are not opened"):
        load_model(str(tmp_path))


def test_damaged_files_are_an_error(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(InputError, match="the model cannot be loaded"):
        load_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="the model cannot be loaded"):
        load_model(str(tmp_path))


def test_missing_weights_are_an_error_and_not_drawn_at_random(tmp_path: Path, saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"], weights["model.norm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    with pytest.raises(InputError, match=r"no model\.layers\.1\.mlp\.up_proj\.weight and 1 others missing"):
        load_model(str(tmp_path))


def test_models_that_do_not_predict_the_next_token_are_refused(tmp_path: Path) -> None:
    small = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 8}
    BertModel(BertConfig(**small, vocab_size=50)).save_pretrained(tmp_path / "bert")
    with pytest.raises((InputError, RefusedError), match=r"weights are incomplete|cannot be trained"):
        load_model(str(tmp_path / "bert"))
    T5Model(T5Config(d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2)).save_pretrained(tmp_path / "t5")
    with pytest.raises(InputError, match="the model cannot be loaded"):
        load_model(str(tmp_path / "t5"))


def test_code_in_the_folder_is_never_run(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes())
    config = json.loads((saved / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("import sys\nsys.exit('this code must not run')\n")
    with pytest.raises(InputError, match="the model cannot be loaded"):
        load_model(str(tmp_path))


def test_an_embedding_smaller_than_the_vocabulary_is_an_error() -> None:
    model = tiny_model()
    check_vocabulary(model, 300)
    with pytest.raises(InputError, match=r"found 301 tokens; expected at most 300"):
        check_vocabulary(model, 301)


def test_the_context_is_that_of_the_positions() -> None:
    assert context_limit(tiny_model()) == 64
    assert context_limit(make("GPT-2")) == 96


def test_the_context_ends_where_rotary_positions_would_depend_on_the_neighbours() -> None:
    rope = {
        "rope_type": "dynamic",
        "rope_theta": 10000.0,
        "factor": 2.0,
        "original_max_position_embeddings": 48,
    }
    assert context_limit(make("Llama", rope_parameters=rope)) == 48
    plain = {
        "rope_type": "linear",
        "rope_theta": 10000.0,
        "factor": 2.0,
        "original_max_position_embeddings": 48,
    }
    assert context_limit(make("Llama", rope_parameters=plain)) == 96
