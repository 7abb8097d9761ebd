"""Healthy model families: takes a name, gives a tiny random model with the family's own chat template, saved as published.

Templates come from TRL's package where it has the family's, else they are written here after the form the
family uses. Nothing is downloaded.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer as Backend

from tests.faults import sites
from tests.tokens import families as shipped
from tests.tokens import saved
from twosignal.text.conversation import Record
from twosignal.text.formats import parse
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer

NO_SYSTEM = "{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
PROMPT = "{% endfor %}{% if add_generation_prompt %}"

ZEPHYR = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}"
    + PROMPT
    + "{{ '<|assistant|>\n' }}{% endif %}"
)
OLMO = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content }}"
    "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% if not loop.last %}{{ '\n' }}{% endif %}"
    + PROMPT
    + "{{ '\n<|assistant|>\n' }}{% endif %}"
)
GRANITE = (
    "{% for m in messages %}{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>\n' }}"
    + PROMPT
    + "{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}"
)
VICUNA = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content + ' ' }}"
    "{% elif m.role == 'user' %}{{ 'USER: ' + m.content + ' ' }}{% else %}{{ 'ASSISTANT: ' + m.content + eos_token }}"
    "{% endif %}" + PROMPT + "{{ 'ASSISTANT:' }}{% endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ 'User: ' + m.content + '\n\n' }}"
    "{% elif m.role == 'assistant' %}{{ 'Assistant: ' + m.content + eos_token }}"
    "{% else %}{{ m.content + '\n\n' }}{% endif %}" + PROMPT + "{{ 'Assistant:' }}{% endif %}"
)
LLAMA2 = (
    "{% for m in messages %}"
    + NO_SYSTEM
    + "{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content + ' ' + eos_token }}{% endif %}{% endfor %}"
)
SMOLLM = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + "
    "('<think>\n\n</think>\n' if m.role == 'assistant' else '') + m.content + '<|im_end|>\n' }}"
    + PROMPT
    + "{{ '<|im_start|>assistant\n' }}{% if enable_thinking is defined and not enable_thinking %}"
    "{{ '<think>\n\n</think>\n' }}{% endif %}{% endif %}"
)


class Family(NamedTuple):
    """A kind of model with the chat template and the control tokens of its maker."""

    config: str
    """Configuration class in transformers."""
    template: str
    """The name of a template that TRL ships, or its source; empty for a tokenizer without one."""
    named: tuple[str, str] = ("<s>", "</s>")
    """The tokens that begin and end texts."""
    settings: Mapping[str, Any] = {}
    """Of the configuration, besides the sizes."""
    stops: tuple[str, ...] = ()
    """Further tokens at which the published generation configuration stops."""
    refuses: tuple[str, ...] = ()
    """Shapes of data that its template has no place for."""


def _of(maker: str) -> tuple[str, str]:
    return shipped.NAMED[maker]


_MAMBA = {"state_size": 8, "num_attention_heads": ..., "num_key_value_heads": ..., "time_step_rank": 4}
_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
_LINEAR = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "head_dim": 16,
    "layer_types": ["linear_attention", "full_attention"],
}
_LATENT = {
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 16,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "moe_intermediate_size": 32,
    "num_key_value_heads": 4,
}

FAMILIES = {
    "llama-3": Family("LlamaConfig", "llama3", _of("llama"), {}, ("<|eot_id|>",), ("calls", "reasoning")),
    "llama-3.2": Family("LlamaConfig", "llama3_2", _of("llama"), {}, ("<|eot_id|>",), ("reasoning",)),
    "vicuna": Family("LlamaConfig", VICUNA, refuses=("calls", "reasoning")),
    "mistral": Family("MistralConfig", saved.MISTRAL, refuses=("system", "calls", "reasoning")),
    "mixtral": Family("MixtralConfig", LLAMA2, settings=_EXPERTS, refuses=("system", "calls", "reasoning")),
    "qwen2.5": Family("Qwen2Config", "qwen2_5", _of("qwen"), refuses=("reasoning",)),
    "qwen3": Family("Qwen3Config", "qwen3", _of("qwen"), {"head_dim": 16}),
    "qwen3-next": Family(
        "Qwen3NextConfig", "qwen3_instruct_2507", _of("qwen"), _LINEAR, refuses=("reasoning",)
    ),
    "gemma2": Family(
        "Gemma2Config",
        "gemma",
        _of("gemma"),
        {"head_dim": 16},
        ("<end_of_turn>",),
        ("system", "calls", "reasoning"),
    ),
    "gemma3": Family(
        "Gemma3TextConfig",
        "gemma3",
        _of("gemma"),
        {"head_dim": 16},
        ("<end_of_turn>",),
        ("calls", "reasoning"),
    ),
    "phi3": Family(
        "Phi3Config", "phi3", _of("phi"), {"pad_token_id": 7}, ("<|end|>",), ("calls", "reasoning")
    ),
    "phi3.5": Family("Phi3Config", "phi3_5", ("<s>", "<|end|>"), {}, (), ("calls", "reasoning")),
    "olmo2": Family("Olmo2Config", OLMO, ("<|endoftext|>", "<|endoftext|>"), refuses=("calls", "reasoning")),
    "cohere2": Family(
        "Cohere2Config",
        "cohere2",
        _of("cohere"),
        {"max_position_embeddings": 4096},
        refuses=("calls", "reasoning"),
    ),
    "gpt2": Family("GPT2Config", "", ("<|endoftext|>", "<|endoftext|>"), refuses=("calls", "reasoning")),
    "gpt-neox": Family(
        "GPTNeoXConfig", ZEPHYR, ("<|endoftext|>", "<|endoftext|>"), refuses=("calls", "reasoning")
    ),
    "smollm3": Family("SmolLM3Config", SMOLLM, _of("qwen"), refuses=("calls", "reasoning")),
    "glm4": Family("Glm4Config", "glm4moe", _of("glm"), {"head_dim": 16}, ("<|user|>", "<|observation|>")),
    "granite": Family(
        "GraniteConfig", GRANITE, ("<|end_of_text|>", "<|end_of_text|>"), refuses=("calls", "reasoning")
    ),
    "deepseek-v3": Family(
        "DeepseekV3Config", DEEPSEEK, _of("deepseek"), _LATENT, refuses=("calls", "reasoning")
    ),
    "lfm2": Family(
        "Lfm2Config",
        "lfm2_v2",
        _of("lfm"),
        {"layer_types": ["conv", "full_attention"]},
        refuses=("reasoning",),
    ),
    "mamba": Family("MambaConfig", saved.CHATML, _of("qwen"), _MAMBA, refuses=("calls", "reasoning")),
    "gpt-oss": Family("GptOssConfig", "gptoss", _of("gptoss"), _EXPERTS | {"head_dim": 16}, ("<|call|>",)),
    "nemotron": Family("NemotronConfig", "nemotron_3_nano", _of("nemotron")),
}


@cache
def files(name: str) -> dict[str, bytes]:
    """The files of a family's tokenizer."""
    family = FAMILIES[name]
    source = (
        family.template
        if "{" in family.template or not family.template
        else shipped.template(family.template)
    )
    controls = list(dict.fromkeys([*family.named, *shipped.CONTROL.findall(source), "<|pad|>"]))
    if source in (ZEPHYR, OLMO):
        controls += ["<|system|>", "<|user|>", "<|assistant|>"]
    if "[INST]" in source:
        controls += ["[INST]", "[/INST]"]
    controls = [control for control in controls if control != "[gMASK]"]
    bos, eos = family.named
    return saved.saved_files(
        _backend(), template=source, controls=controls, bos_token=bos, eos_token=eos, pad_token="<|pad|>"
    )


@cache
def _vocabulary() -> str:
    return str(saved.byte_level_backend(vocab=400).to_str())


def _backend() -> Backend:
    return Backend.from_str(_vocabulary())


@cache
def tokenizer(name: str) -> Tokenizer:
    """A family's tokenizer as ours."""
    return saved.build(files(name))


def model(name: str) -> Any:
    """A family's tiny model, with the generation configuration that its maker publishes."""
    family, own = FAMILIES[name], tokenizer(name)
    settings = {
        "vocab_size": own.vocab_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "bos_token_id": own.bos_id,
        "eos_token_id": own.eos_id,
        "pad_token_id": own.pad_id,
    }
    made = sites.model(family.config, **{**settings, **family.settings})
    stops = [own.controls[stop].id for stop in family.stops if stop in own.controls]
    made.generation_config.eos_token_id = [own.eos_id, *stops]
    return made


def save(name: str, folder: Path) -> Path:
    """Write model and tokenizer under `folder`, unless they are there, and return it."""
    if not (folder / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        model(name).save_pretrained(folder)
        for file, content in files(name).items():
            (folder / file).write_bytes(content)
    return folder


Row = dict[str, Any]


def talk(*turns: str, system: str | None = None, **fields: Any) -> Row:
    """A record of user and assistant in turn."""
    said = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(turns)]
    opening = [] if system is None else [{"role": "system", "content": system}]
    return {"messages": opening + said, **fields}


def _weighted() -> Row:
    row = talk("alpha?", "beta one.", "gamma?", "delta one.")
    row["messages"][1]["weight"] = 0
    return row


def _named() -> Row:
    row = talk("Hello, who is there?", "It is Zara.", "Good.", "Yes, it is.")
    for message, name in zip(row["messages"], ("Bo", "Zara", "Bo", "Zara"), strict=True):
        message["name"] = name
    return row


def _calling() -> Row:
    call = {
        "id": "abc123xyz",
        "type": "function",
        "function": {"name": "look", "arguments": json.dumps({"place": "Paris"})},
    }
    schema = json.loads(shipped.TOOLS)
    schema[0]["function"]["name"] = "look"
    return {
        "messages": [
            {"role": "user", "content": "What is in Paris?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "a tower", "name": "look", "tool_call_id": "abc123xyz"},
            {"role": "assistant", "content": "A tower is there."},
        ],
        "tools": schema,
    }


def _reasoning() -> Row:
    row = talk("1 + 1 = ?", "It is 2.", "2 + 2 = ?", "It is 4.")
    row["messages"][1]["reasoning_content"] = "one plus one is two"
    row["messages"][3]["reasoning_content"] = "two plus two is four"
    return row


CODE = "def twice(x):\n    if x:\n        return 2 * x\n\n\n    return None\n"
SHAPES: dict[str, tuple[Row, ...]] = {
    "plain": (talk("What is the capital of France?", "Paris is the capital of France."),),
    "turns": (
        talk("Hello.", "How are you?", "I am fine, thank you.", "Good.", "the cat?", "sat on the mat"),
    ),
    "system": (talk("Hello there.", "Hello.", system="This is text 1."),),
    "empty system": (talk("Hello there.", "Hello.", system=""),),
    "an open end": (talk("Hello there.", "Hello.", "How are you?"),),
    "code": (talk("Write code.", CODE), talk("```\n  indented\n```", "```python\n" + CODE + "```")),
    "white space": (talk(" Hello. ", "  indented answer"), talk("\nHello.\n", "an answer \n\n")),
    "one token": (talk("a?", "a"), talk("a?", "1"), talk("b", "Hello", "c", "d")),
    "languages": (
        talk(
            "\u4f60\u597d\uff01",
            "\u4f60\u597d\uff0c\u5f88\u9ad8\u5174\u3002",
            "caf\u00e9?",
            "na\u00efve \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467",
        ),
        talk(
            "\u041f\u0440\u0438\u0432\u0435\u0442",
            "\u0417\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439",
            "\u0645\u0631\u062d\u0628\u0627",
            "\u0623\u0647\u0644\u0627 \u0648\u0633\u0647\u0644\u0627",
        ),
    ),
    "role words": (talk("user", "assistant", "system: user", "I am the assistant of this user."),),
    "repeated texts": (talk("the cat", "the cat", "the cat", "the cat"),),
    "weights": (_weighted(),),
    "names": (_named(),),
    "prompt and completion": (
        {
            "prompt": [{"role": "user", "content": "Hello."}],
            "completion": [{"role": "assistant", "content": "How are you?"}],
        },
        {"prompt": "What is the cat?", "completion": "It is the dog."},
    ),
    "calls": (_calling(),),
    "reasoning": (_reasoning(),),
}
"""Records of every shape of data that a chat may have."""


TEXTS = tuple(
    {"text": text}
    for text in (CODE, "the cat sat on the mat and the dog sat on the log. " * 12, "Hello.\n\n", "a")
)
"""Documents."""


def shapes(name: str) -> dict[str, list[Row]]:
    """Records by shape, of the shapes that a family's template has a place for."""
    refused = {*FAMILIES[name].refuses}
    refused |= {"empty system"} if "system" in refused else set()
    return {shape: list(rows) for shape, rows in SHAPES.items() if shape not in refused}


def mixed(name: str, *, copies: int = 2) -> list[Row]:
    """Records of all shapes and documents, some copies of each."""
    return [row for _ in range(copies) for rows in (*shapes(name).values(), TEXTS) for row in rows]


def tokenized(name: str) -> list[Row]:
    """Conversations as token ids, with labels or with a mask."""
    renderer = Renderer(tokenizer(name))
    made = []
    for number, row in enumerate([*SHAPES["plain"], *SHAPES["turns"], *SHAPES["code"]]):
        example = renderer.render(record(row))
        ids, mask = example.ids.tolist(), example.supervised.tolist()
        beside = (
            {"labels": sites.labelled(ids, mask)} if number % 2 else {"assistant_masks": list(map(int, mask))}
        )
        made.append({"input_ids": ids, **beside})
    return made


def record(row: Row) -> Record:
    """A record as it is read."""
    return parse(row, "auto", origin=saved.ORIGIN)


def run_file(folder: Path, name: str, sources: Mapping[str, list[Row]], *, more: str = "") -> Path:
    """A run file that fine-tunes a family's model on some sources."""
    save(name, folder / "model")
    tables = []
    for number, (source, rows) in enumerate(sources.items()):
        data = folder / f"{number}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        tables.append(f'[sources."{source.replace(" ", "-")}"]\npath = "{data.name}"\n')
    file = folder / "run.toml"
    head = '[run]\nname = "clean"\nsteps = 4\n[model]\nfrom = "model"\n'
    file.write_text(head + more + "".join(tables), encoding="utf-8")
    return file
