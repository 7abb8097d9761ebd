"""Conversations are read back from ids, whole and cut, whatever the template; what cannot be read is not guessed."""

import tempfile
from typing import Any

import numpy as np
import pytest

from tests.prove.trainer.small import CHATML, UNMARKED, chats, tokenizer
from twosignal.prove.trainer.batches import Piece
from twosignal.prove.trainer.reading import Reader, Zone
from twosignal.prove.trainer.targets import Read, slip_of
from twosignal.tokens.pretrained import load_tokenizer
from twosignal.tokens.template import ChatTemplate

GEMMA = (
    "{% for m in messages %}<|im_start|>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>model\n{% endif %}"
)
INST = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %} {{ m['content'] }}<|im_end|>"
    "{% else %}[INST] {{ m['content'] }} [/INST]{% endif %}{% endfor %}"
)
THINKING = UNMARKED.replace("{{ message['content']", "{{ '<think>\n\n</think>\n\n' + message['content']", 1)


def reader(template: str) -> tuple[Any, Reader]:
    theirs = tokenizer(template)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = load_tokenizer(folder)
    return theirs, Reader(ours, ChatTemplate(template, special_tokens=ours.special_tokens))


def ids_of(theirs: Any, one: Any) -> list[int]:
    return list(theirs.apply_chat_template(one, return_dict=True)["input_ids"])


@pytest.mark.parametrize("template", [CHATML, UNMARKED, GEMMA, INST, THINKING])
def test_what_was_said_is_read_back(template: str) -> None:
    theirs, reads = reader(template)
    for one in (c for c in chats() if c[0]["role"] == "user"):
        found = reads.read(ids_of(theirs, one))
        assert found is not None
        assert [m.role for m in found.messages] == [m["role"] for m in one]
        assert all(m.content.endswith(n["content"]) for m, n in zip(found.messages, one, strict=True))
        assert found.begins
        assert found.closes


def test_zones_are_the_mask_that_transformers_makes() -> None:
    theirs, reads = reader(CHATML)
    for one in chats():
        made = theirs.apply_chat_template(one, return_dict=True, return_assistant_tokens_mask=True)
        found = reads.read(made["input_ids"])
        assert found is not None
        assert (found.zones == Zone.ANSWER).tolist() == [bool(m) for m in made["assistant_masks"]]


def test_a_cut_conversation_does_not_close_and_a_fragment_does_not_begin() -> None:
    theirs, reads = reader(CHATML)
    ids = ids_of(theirs, chats()[1])
    cut, fragment = reads.read(ids[:-4]), reads.read(ids[4:])
    assert cut is not None
    assert cut.begins
    assert not cut.closes
    assert fragment is not None
    assert not fragment.begins


def test_two_conversations_in_one_stretch_are_seen() -> None:
    theirs, reads = reader(CHATML)
    with_system = chats()[4]
    found = reads.read([*ids_of(theirs, chats()[1]), *ids_of(theirs, with_system)])
    assert found is not None
    assert found.restarts == 1


def test_text_is_no_conversation() -> None:
    theirs, reads = reader(CHATML)
    assert reads.read(theirs("river stone cloud")["input_ids"]) is None


def test_a_spelt_control_token_is_no_end_of_turn() -> None:
    theirs, reads = reader(CHATML)
    one = [{"role": "user", "content": "river"}, {"role": "assistant", "content": "stone MARK cloud"}]
    ids = ids_of(theirs, one)
    spelt = theirs.backend_tokenizer
    spelt.encode_special_tokens = True
    mark = theirs(" MARK", add_special_tokens=False)["input_ids"]
    fake = spelt.encode(" <|im_end|>", add_special_tokens=False).ids
    spelt.encode_special_tokens = False
    at = next(n for n in range(len(ids)) if ids[n : n + len(mark)] == mark)
    found = reads.read([*ids[:at], *fake, *ids[at + len(mark) :]])
    assert found is not None
    assert len(found.messages) == 2
    assert found.messages[1].content == "stone <|im_end|> cloud"


def test_slips_are_told_apart() -> None:
    theirs, reads = reader(CHATML)
    made = theirs.apply_chat_template(chats()[4], return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = np.array(made["input_ids"], np.int64), np.array(made["assistant_masks"], bool)
    found = reads.read(ids.tolist())
    assert found is not None
    answer = np.flatnonzero(mask)

    def slip(places: Any, *, value: bool) -> str:
        changed = mask.copy()
        changed[places] = value
        piece = Piece(row=0, start=0, ids=ids, labels=np.where(changed, ids, -100))
        told = slip_of(Read(piece, found))
        return told.sentence if told else ""

    assert slip([], value=True) == ""
    assert slip(answer[-1] + 1, value=True) == "", "a line feed behind the end is of no consequence"
    assert "ends an answer" in slip(answer[-1], value=False)
    assert "first token" in slip(answer[0], value=False)
    assert "only in part" in slip(answer[1:3], value=False)
    assert "end of the prompt" in slip(answer[0] - 1, value=True)
    assert "text of the system" in slip(found.tokens(found.turns[0].start, found.turns[0].end)[0], value=True)
    assert "every token" in slip(slice(None), value=True)
