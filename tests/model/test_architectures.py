"""The table of architectures is true: a part of it is made again, with the script's second implementation."""

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
TABLE = ROOT / "docs" / "isolation.md"
BENCH: dict[str, Any] = runpy.run_path(str(ROOT / "bench" / "isolation.py"))

SUBSET = {
    "bamba": "BambaMixer",
    "bloom": "BloomAttention",
    "deepseek_v3": "",
    "falcon_h1": "FalconH1Mixer",
    "gemma3_text": "",
    "gpt2": "",
    "gpt_oss": "",
    "jamba": "JambaMambaMixer",
    "lfm2": "conv (Lfm2ShortConv)",
    "llama4_text": "differ from the same alone",
    "mamba": "linear_attention (MambaMixer)",
    "mamba2": "linear_attention (Mamba2Mixer)",
    "qwen3_next": "linear_attention (Qwen3NextGatedDeltaNet)",
    "recurrent_gemma": "RecurrentGemmaRecurrentBlock",
    "rwkv": "RwkvSelfAttention",
    "xlnet": "looks ahead",
}
"""Model types and what the remark names."""


def table() -> dict[str, list[str]]:
    """The cells of every architecture in the page."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_the_table_covers_the_registry_and_nothing_in_it_is_contradicted() -> None:
    rows = table()
    assert len(rows) > 150
    verdicts = [row[0] for row in rows.values()]
    assert set(verdicts) == {"isolated", "one per row", "refused", "not built"}
    assert verdicts.count("isolated") >= 40
    assert verdicts.count("not built") <= 12
    assert "CONTRADICTED" not in TABLE.read_text(encoding="utf-8")
    for kind, (verdict, _, _, leak, apart, remark) in rows.items():
        if verdict in ("isolated", "one per row"):
            assert float(leak) <= 1e-5, kind
            assert float(apart) <= 1e-3, kind
        assert bool(remark) == (verdict != "isolated"), kind


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SUBSET)
def test_the_verdict_is_that_of_the_table(kind: str) -> None:
    row = BENCH["measured"](kind)
    verdict, *_, remark = table()[kind]
    assert row.verdict == verdict
    assert SUBSET[kind] in row.remark
    assert SUBSET[kind] in remark
    assert "CONTRADICTED" not in row.remark


@pytest.mark.filterwarnings("ignore")
def test_the_second_implementation_contradicts_a_wrong_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the measuring switched off, everything would be called isolated."""
    monkeypatch.setattr("twosignal.model.isolation._fault", lambda _: "")
    row = BENCH["measured"]("jamba")
    assert row.verdict == "isolated"
    assert row.remark.startswith("CONTRADICTED: leak 0.")
