"""What `sample` and `chat` share: takes a run and a step, gives the checkpoint's model and tokenizer, ready to speak."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel

from twosignal.errors import RunError
from twosignal.model.device import pick_device
from twosignal.model.generate import Generated, Sampling, generate
from twosignal.model.pretrained import load_model
from twosignal.records.reader import Run
from twosignal.records.saved import place_of
from twosignal.text.conversation import Message
from twosignal.tokens.pretrained import load_tokenizer
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer


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
    saved = {path: place for path in run.checkpoints() if (place := place_of(path.name))}
    wanted = [path for path, place in saved.items() if step in (None, place.step)]
    if not wanted:
        message = "there is no checkpoint of step {step}" if saved else "this run has no checkpoint yet"
        known = ", ".join(str(at) for at in sorted({place.step for place in saved.values()})) or "none"
        raise RunError(message.format(step=step), where=str(run.path), found=f"checkpoints of steps {known}")
    folder = wanted[-1]
    tokenizer = load_tokenizer(folder)
    model = load_model(str(folder), device=pick_device("auto"))
    receipt = next(run.events("prove"), None)
    return Speaker(
        run=run,
        step=saved[folder].step,
        model=model,
        tokenizer=tokenizer,
        is_chat=bool(receipt and receipt.number("conversations")),
    )
