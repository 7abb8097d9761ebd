"""Every mistake in a run file is one sentence with its place and the nearest right name."""

from pathlib import Path

import pytest

from twosignal.errors import ConfigError
from twosignal.runfile import config_hash, load_config, resolved_toml

GOOD = '[run]\nname = "x"\n\n[model]\npreset = "tiny"\n\n[sources.stories]\npath = "a.txt"\n'


def load(tmp_path: Path, text: str, *settings: str) -> str:
    """Return the sentence that loading ends in."""
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, settings)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("[rows]\ntokns = 4\n", "/run.toml:10: unknown key 'tokns' in [rows]. Did you mean tokens?"),
        ("[gaet]\n", "/run.toml:9: unknown key 'gaet' in the run file. Did you mean gate?"),
        (
            "[rows]\ntokens = 4\n",
            "rows.tokens has a wrong value (found 4; expected greater than or equal to 8).",
        ),
        ('[rows]\ntoo_long = "cut"\n', "(found 'cut'; expected 'refuse', 'cut-turns', 'split' or 'drop')."),
        (
            '[sources.b]\npath = "b"\nsupervise = { role = "user", nam = "Z" }\n',
            "/run.toml:11: unknown key 'nam' in [sources.b.supervise]. Did you mean name?",
        ),
        ("[rows\n", "not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, extra: str, sentence: str) -> None:
    assert sentence in load(tmp_path, GOOD + extra)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("run.steps=0", "--set run.steps=0: run.steps has a wrong value (found 0; expected greater than"),
        ("run.stpes=3", "unknown key 'stpes' in [run]. Did you mean steps?"),
        ("steps", "a setting must look like table.key=value"),
        ("run.name.x=1", "name is a value, not a table"),
        ("model.from=other", 'give either from = "folder or hub id" or preset = "name"'),
    ],
)
def test_a_setting_is_checked_like_the_file(tmp_path: Path, setting: str, sentence: str) -> None:
    assert sentence in load(tmp_path, GOOD, setting)


def test_two_lengths_are_one_too_many(tmp_path: Path) -> None:
    assert "[run] give only one of steps, epochs." in load(tmp_path, GOOD, "run.steps=3", "run.epochs=2")


@pytest.mark.parametrize("table", ["run", "model", "sources"])
def test_a_missing_table_says_what_to_add(tmp_path: Path, table: str) -> None:
    blocks = [block for block in GOOD.split("\n\n") if not block.startswith(f"[{table}")]
    assert f"{table} is missing. Add" in load(tmp_path, "\n\n".join(blocks))


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text(GOOD)
    with pytest.raises(
        ConfigError, match=r"trian\.toml: there is no such run file\. Did you mean train\.toml\?"
    ):
        load_config(tmp_path / "trian.toml")


def test_settings_win_and_bare_words_are_text(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(GOOD)
    config = load_config(path, ["run.steps=7", "rows.too_long=split"])
    assert (config.run.steps, config.rows.too_long) == (7, "split")


def test_the_resolved_file_reads_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(GOOD)
    config = load_config(path, ["run.hours=0.5", 'sources.stories.supervise={ role = "user", name = "Z" }'])
    again = tmp_path / "again.toml"
    again.write_text(resolved_toml(config))
    assert load_config(again) == config
    assert config_hash(load_config(again)) == config_hash(config)


def test_the_hash_changes_with_any_field_that_bears_on_learning(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(GOOD)
    plain = config_hash(load_config(path))
    assert plain != config_hash(load_config(path, ["train.clip=2.0"]))
    assert plain != config_hash(load_config(path, ["checkpoints.keep=5"]))
    assert plain == config_hash(load_config(path, ["alerts.webhook=https://example.org/x"]))
    assert plain == config_hash(load_config(path, ["checkpoints.wait_minutes=5"]))
