"""Shakespeare by the character, beside nanoGPT: takes its checkout and the text, gives wall times and validation losses.

    python bench/shakespeare.py --peer DIR --text tinyshakespeare.txt [--threads 1] [--repeats 3]

Both train on the first nine tenths and are judged on the whole last tenth, in nats per character. Wall time is that of
the whole process, from start to exit. The peer runs its own CPU recipe (its README, "I only have a macbook") and is
judged by its own model code; ours is examples/shakespeare.toml. Runs alternate, so that both see the same machine.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEER_RECIPE = (
    "--device=cpu --compile=False --eval_iters=20 --log_interval=100 --block_size=64 --batch_size=12 --n_layer=4 "
    "--n_head=4 --n_embd=128 --max_iters=2000 --lr_decay_iters=2000 --dropout=0.0"
)
PEER_JUDGE = """
import pickle, sys, torch
sys.path.insert(0, ".")
from model import GPT, GPTConfig
saved = torch.load("out-shakespeare-char/ckpt.pt", map_location="cpu", weights_only=False)
model = GPT(GPTConfig(**saved["model_args"])); model.load_state_dict(saved["model"]); model.eval()
meta = pickle.load(open("data/shakespeare_char/meta.pkl", "rb"))
text = open("data/shakespeare_char/input.txt").read()
ids = torch.tensor([meta["stoi"][c] for c in text[int(0.9 * len(text)):]])
block = saved["model_args"]["block_size"]; total = count = 0
with torch.no_grad():
    for at in range(0, len(ids) - 1, block):
        x, y = ids[at : at + block][: len(ids) - 1 - at], ids[at + 1 : at + 1 + block]
        total += float(model(x[None], y[None])[1]) * len(y); count += len(y)
print(total / count)
"""


def main() -> int:
    """Run both in turn and print one line each, then the ratio of the medians."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--peer", type=Path, required=True, help="a checkout of karpathy/nanoGPT")
    options.add_argument("--text", type=Path, required=True, help="char-rnn's tinyshakespeare.txt")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    environment = {**os.environ, "OMP_NUM_THREADS": str(given.threads)}
    with tempfile.TemporaryDirectory() as place:
        peer = prepare_peer(given.peer, given.text, Path(place) / "peer", environment)
        rounds = [
            (run_peer(peer, environment), run_ours(given.text, Path(place) / "runs", environment))
            for _ in range(given.repeats)
        ]
    for name, runs in zip(("nanoGPT", "twosignal"), zip(*rounds, strict=True), strict=True):
        seconds = [round(run["seconds"], 1) for run in runs]
        losses = [round(run["loss"], 4) for run in runs]
        print(json.dumps({"name": name, "seconds": seconds, "validation_loss": losses}))
    medians = [statistics.median(run["seconds"] for run in runs) for runs in zip(*rounds, strict=True)]
    machine = {"cpu": platform.processor() or platform.machine(), "threads": given.threads}
    print(json.dumps({"ratio": round(medians[1] / medians[0], 3), **machine}))
    return 0


def prepare_peer(checkout: Path, text: Path, place: Path, environment: dict[str, str]) -> Path:
    """Copy the peer, put the text where its own preparation expects it, and prepare."""
    shutil.copytree(checkout, place, ignore=shutil.ignore_patterns(".git", "out-*"))
    shutil.copy(text, place / "data" / "shakespeare_char" / "input.txt")
    subprocess.run(
        [sys.executable, "data/shakespeare_char/prepare.py"],
        cwd=place,
        env=environment,
        check=True,
        capture_output=True,
    )
    return place


def run_peer(place: Path, environment: dict[str, str]) -> dict[str, float]:
    """Train the peer by its own recipe; return seconds of the process and the loss over the whole last tenth."""
    command = [sys.executable, "train.py", "config/train_shakespeare_char.py", *PEER_RECIPE.split()]
    began = time.perf_counter()
    subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    judged = subprocess.run(
        [sys.executable, "-c", PEER_JUDGE],
        cwd=place,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return {"seconds": seconds, "loss": float(judged.stdout.splitlines()[-1])}


def run_ours(text: Path, runs: Path, environment: dict[str, str]) -> dict[str, float]:
    """Train ours, tokenizing anew; return seconds of the process and its own held-out loss over the last tenth."""
    shutil.rmtree(runs, ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "twosignal",
        "train",
        str(ROOT / "examples" / "shakespeare.toml"),
        "--json",
    ]
    command += ["--runs", str(runs), "--set", f"sources.plays.path={text.resolve()}"]
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "loss": json.loads(done.stdout.splitlines()[-1])["probe"]}


if __name__ == "__main__":
    sys.exit(main())
