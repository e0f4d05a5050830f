"""The tokenizer of tacit-tiny: byte-level BPE, so that any text encodes, with its own chat template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from shared.conversation import ROLES, Message

END, PAD = "<|end|>", "<|pad|>"
ROLE_TOKENS = {role: f"<|{role}|>" for role in ROLES}
SPECIAL_TOKENS = (PAD, END, *ROLE_TOKENS.values())

# Any order of roles; the generation markers let trainers find the assistant's tokens.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "<|assistant|>{% generation %}{{ message['content'] }}<|end|>{% endgeneration %}"
    "{% else %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocabulary_size: int, context_length: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on `texts`, with chat template; <|end|> ends a turn and a generation."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLE_TOKENS.values()),
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def encode_scored(
    tokenizer: PreTrainedTokenizerFast, turns: Sequence[Message], scored: Sequence[bool]
) -> tuple[list[int], list[int]]:
    """(token ids, labels) of a conversation, as the chat template writes it.

    Labels are the ids of the tokens of the assistant messages marked in `scored`, their end of turn included, and -100
    elsewhere.
    """
    backend = tokenizer.backend_tokenizer
    contents = backend.encode_batch([message.content for message in turns], add_special_tokens=False)
    end = backend.token_to_id(END)
    ids: list[int] = []
    labels: list[int] = []
    for message, content, score in zip(turns, contents, scored, strict=True):
        body = [*content.ids, end]
        ids += [backend.token_to_id(ROLE_TOKENS[message.role]), *body]
        labels += [-100, *(body if score else [-100] * len(body))]
    return ids, labels
