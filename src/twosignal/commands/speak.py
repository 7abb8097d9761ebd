"""What `sample` and `chat` share: takes a run and a step, gives the checkpoint's model and tokenizer, ready to speak."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel

from twosignal.errors import RunError
from twosignal.model.device import pick_device
from twosignal.model.generate import Generated, Sampling, generate
from twosignal.model.pretrained import load_model
from twosignal.records.reader import Run
from twosignal.text.conversation import Message
from twosignal.tokens.pretrained import load_tokenizer
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.train.checkpoint import checkpoint_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A checkpoint that can be asked."""

    run: Run
    step: int
    model: PreTrainedModel
    tokenizer: Tokenizer
    is_chat: bool
    """It was trained on conversations, so a prompt is a question and not an opening."""

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids that ask for the next answer, or to go on with the last message's text."""
        renderer = Renderer(self.tokenizer, "assistant")
        if self.is_chat:
            return renderer.prompt_ids(messages)
        return renderer.document_prompt_ids(messages[-1].content)

    def speak(
        self, prompts: Sequence[Sequence[int]], *, tokens: int, temperature: float, seed: int
    ) -> list[str]:
        """Return what the model says to each prompt."""
        stops = self.tokenizer.stop_ids
        settings = Sampling(max_tokens=tokens, temperature=temperature, top_p=0.95, stop_ids=stops)
        answers: list[Generated] = generate(self.model, prompts, settings=settings, seed=seed)
        return [self.tokenizer.decode(list(answer.ids)).strip() for answer in answers]


def speaker(run: Run, *, step: int | None = None) -> Speaker:
    """Load a run's checkpoint of a step, by default the newest; raise RunError when there is none."""
    saved = run.checkpoints()
    newest = saved[-1] if saved else None
    folder = newest if step is None else checkpoint_path(run.path, step)
    if folder is None or folder not in saved:
        message = (
            "this run has no checkpoint yet" if folder is None else f"there is no checkpoint of step {step}"
        )
        known = ", ".join(str(int(path.name.removeprefix("step-"))) for path in saved) or "none"
        raise RunError(message, where=str(run.path), found=f"checkpoints of steps {known}")
    tokenizer = load_tokenizer(folder)
    model = load_model(str(folder), device=pick_device("auto"))
    receipt = next(run.events("prove"), None)
    return Speaker(
        run=run,
        step=int(folder.name.removeprefix("step-")),
        model=model,
        tokenizer=tokenizer,
        is_chat=bool(receipt and receipt.number("conversations")),
    )
