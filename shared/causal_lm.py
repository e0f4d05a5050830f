"""A causal LM in memory: encode, generate, log-probabilities.

Everything above this module knows no architecture. `shared.language_model` loads one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Unpack

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from shared.chat_format import ChatFormat, ScoredTokens, shorten_prompt
from shared.conversation import Message
from shared.decoding import Decoding, ReadPrefix, UndecodableModelError, decode, stream, uniform_draws
from shared.generation import CompletionScores, GeneratedReply, GenerationSettings, texts_of

_FALLBACK_CONTEXT = 2048
# Where a configuration was read from and how it is run: the same weights must hash the same on every device.
# What a model gets from being saved, loaded or run, and what its weights already say.
_NOT_IN_FINGERPRINT = ("_name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype", "use_cache")


class LanguageModelError(RuntimeError):
    """A model cannot be loaded or used as asked. The message says what to do about it."""


class LanguageModel:
    """A causal LM with its tokenizer. Always in evaluation mode: dropout would make a reference log-probability random.

    Attributes:
        name: as asked for; a directory is known by its last part, so that no machine path travels.
        model: the Hugging Face model, on `device`.
        tokenizer: its tokenizer.
        chat: conversations to tokens.
        context_length: tokens.
        device: where the weights are.
    """

    def __init__(
        self,
        *,
        name: str,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | None = None,
    ) -> None:
        """Wraps a model that is in memory already (`load_language_model` is the usual way in)."""
        self.name = name
        self._chat_template = chat_template
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.chat = ChatFormat(tokenizer, model_name=name, chat_template=chat_template)
        self.context_length = _context_length(model)
        self.device = next(model.parameters()).device
        self._fingerprint: str | None = None

    def twin(self) -> LanguageModel:
        """The same weights in modules of their own: what is attached to one, or hooked into it, the other never sees.

        Costs no memory for weights. Take it before an adapter is attached.
        """
        held = {id(one): one for one in (*self.model.parameters(), *self.model.buffers())}
        made = LanguageModel(
            name=self.name,
            model=deepcopy(self.model, held),
            tokenizer=self.tokenizer,
            chat_template=self._chat_template,
        )
        made._fingerprint = self._fingerprint
        return made

    def fingerprint(self) -> str:
        """SHA-256 (hex) over configuration, weights as held (so it depends on the dtype), tokenizer and template."""
        if self._fingerprint is None:
            self._fingerprint = hashlib.sha256(f"{_fingerprint(self.model)}{self.chat.digest()}".encode()).hexdigest()
        return self._fingerprint

    def parameter_count(self) -> int:
        """How many weights the base model has; an adapter's are not counted."""
        return sum(weight.numel() for name, weight in self.model.named_parameters() if ".lora_" not in name)

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids up to where the reply begins. Raises `ChatTemplateError`."""
        return self.chat.encode_prompt(messages)

    def encode_completion(
        self, prompt: Sequence[Message], completion: Sequence[Message]
    ) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """`(ids, scored)` of what follows the prompt; the assistant's tokens are scored. Raises `ChatTemplateError`."""
        tokens = self.chat.encode_completion(prompt, completion)
        return tokens.ids, tokens.scored

    def generate(
        self, conversations: Sequence[Sequence[Message]], **settings: Unpack[GenerationSettings]
    ) -> list[list[str]]:
        """The texts of `generate_replies`."""
        return texts_of(self.generate_replies(conversations, **settings))

    def generate_replies(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        samples: int = 1,
        seed: int = 0,
        batch_size: int = 64,
    ) -> list[list[GeneratedReply]]:
        """Replies to conversations, each ending with the user's message. Samples of one prompt share its prefill.

        Prompts too long for the context are cut from the left; system message and last turn stay. A reply ends at the
        end of its turn or after `max_new_tokens`.

        Args:
            temperature: 0 is greedy.
            samples: replies per conversation; more than one needs a temperature above 0.
            seed: of the sampling. A reply's draws depend on the seed, the conversation's place and the sample's, so the
                batch size changes no reply, rounding aside.
            batch_size: sequences decoded together, samples included.

        Returns:
            one list of `samples` replies per conversation, in the order given.

        Raises:
            ValueError: `samples` above 1 at temperature 0, or a size below 1.
            ChatTemplateError: the template cannot express a conversation.
        """
        if max_new_tokens < 1 or samples < 1 or batch_size < 1 or temperature < 0:
            raise ValueError("max_new_tokens, samples and batch_size must be at least 1, and temperature not negative")
        if samples > 1 and temperature == 0:
            raise ValueError("greedy decoding gives one reply: several samples need a temperature above 0")
        if max_new_tokens >= self.context_length:
            raise ValueError(f"max_new_tokens must be below the context length of {self.context_length} tokens")
        room = self.context_length - max_new_tokens
        prompts = [shorten_prompt(self.chat, turns, max_tokens=room)[0] for turns in conversations]
        replies: list[list[GeneratedReply]] = [[] for _ in prompts]
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        per_batch = max(1, batch_size // samples)
        settings = Decoding(
            limit=max_new_tokens,
            temperature=temperature,
            samples=samples,
            stops=tuple(self.stop_ids()),
            padding=self.padding_id(),
        )
        for start in range(0, len(order), per_batch):
            batch = order[start : start + per_batch]
            draws = (
                [uniform_draws(seed, index, sample, max_new_tokens) for index in batch for sample in range(samples)]
                if temperature > 0
                else None
            )
            try:
                decoded = decode(self.model, [prompts[index] for index in batch], draws, settings)
            except UndecodableModelError:
                raise self._undecodable() from None
            found = [GeneratedReply(text=self.chat.decode(tokens), finished=ended) for tokens, ended in decoded]
            for place, index in enumerate(batch):
                replies[index] = found[place * samples : (place + 1) * samples]
        return replies

    def fit_prompt(self, messages: Sequence[Message], *, max_new_tokens: int) -> tuple[list[int], int]:
        """A prompt's token ids, and how many tokens its reply may have.

        What is asked for beyond half of the context is given only where the prompt leaves it. Then a prompt that is too
        long is cut as `generate_replies` does.

        Args:
            max_new_tokens: at least 1.

        Raises:
            ChatTemplateError: the template cannot express the conversation.
        """
        ids = self.chat.encode_prompt(messages)
        limit = min(max_new_tokens, max(self.context_length - len(ids), self.context_length // 2))
        if len(ids) + limit <= self.context_length:
            return ids, limit
        return shorten_prompt(self.chat, messages, max_tokens=self.context_length - limit)[0], limit

    def stream_tokens(
        self,
        prompt: Sequence[int],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        prefix: ReadPrefix | None = None,
        given_up: Callable[[], bool] = lambda: False,
    ) -> Generator[int, None, bool]:
        """The tokens of one reply as they are decoded (`shared.decoding.stream`): those of `generate_replies`.

        Args:
            prompt, max_new_tokens: from `fit_prompt`.

        Raises:
            LanguageModelError: the architecture cannot be decoded.
        """
        settings = Decoding(
            limit=max_new_tokens,
            temperature=temperature,
            samples=1,
            stops=tuple(self.stop_ids()),
            padding=self.padding_id(),
            top_p=top_p,
        )
        draws = uniform_draws(seed, 0, 0, max_new_tokens) if temperature > 0 else None
        try:
            return (yield from stream(self.model, prompt, draws, settings, prefix=prefix, given_up=given_up))
        except UndecodableModelError:
            raise self._undecodable() from None

    def _undecodable(self) -> LanguageModelError:
        return LanguageModelError(
            f"the architecture {self.model.config.model_type!r} keeps no keys and values to decode with"
        )

    def log_probabilities(
        self, prompts: Sequence[Sequence[Message]], completions: Sequence[Sequence[Message]], *, batch_size: int = 16
    ) -> Tensor:
        """(n,) float32: summed log-probability in nats of each completion's assistant tokens. See `score`."""
        return self.score(prompts, completions, batch_size=batch_size).log_probabilities

    def score(
        self, prompts: Sequence[Sequence[Message]], completions: Sequence[Sequence[Message]], *, batch_size: int = 16
    ) -> CompletionScores:
        """Log-probabilities of completions, one row each, with their token counts.

        Prompts too long for the context are cut from the left, as for generation; completions are never cut.

        Raises:
            ValueError: unequal lengths, or a completion that leaves no room for a prompt.
            ChatTemplateError: the template cannot express a conversation.
        """
        if len(prompts) != len(completions):
            raise ValueError("log-probabilities need one completion per prompt")
        rows = [self._fitted(prompt, completion) for prompt, completion in zip(prompts, completions, strict=True)]
        sums = torch.zeros(len(rows))
        counts = torch.tensor([sum(tail.scored) for _, tail in rows], dtype=torch.int64)
        order = sorted(range(len(rows)), key=lambda index: len(rows[index][0]) + len(rows[index][1].ids))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            with torch.inference_mode():
                sums[batch] = self._score_batch([rows[index] for index in batch]).cpu()
        return CompletionScores(log_probabilities=sums, tokens=counts)

    def holds(self, reply: str) -> bool:
        """Whether a reply leaves at least half of the context to a prompt."""
        return (
            2 * len(self.tokenizer(reply, add_special_tokens=False, verbose=False)["input_ids"]) <= self.context_length
        )

    def _fitted(self, prompt: Sequence[Message], completion: Sequence[Message]) -> tuple[list[int], ScoredTokens]:
        tail = self.chat.encode_completion(prompt, completion)
        room = self.context_length - len(tail.ids)
        if room < 1:
            raise ValueError(f"a completion is longer than the context of {self.context_length} tokens")
        return shorten_prompt(self.chat, prompt, max_tokens=room)[0], tail

    def scored_log_probabilities(
        self,
        *,
        input_ids: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor | dict[str, Tensor],
        rows: Tensor,
        sources: Tensor,
        targets: Tensor,
    ) -> Tensor:
        """Log-probability of each scored token; only these positions go through the LM head.

        The head's input is narrowed to the hidden states asked for, so whatever the model does to its logits afterwards
        (scaling, soft-capping) still happens.

        Args:
            input_ids, position_ids: (batch, tokens) int64.
            attention_mask: (batch, tokens), a prepared (batch, 1, tokens, tokens), or one of those per layer type.
            rows, sources: (scored,) int64: in which row, and after which position, the token is predicted.
            targets: (scored,) int64, the tokens.

        Returns:
            (scored,) float32 nats, differentiable where gradients are enabled.
        """
        with _narrowed_head(self.model, rows, sources):
            logits: Tensor = self.model(
                input_ids=input_ids, position_ids=position_ids, attention_mask=attention_mask, use_cache=False
            ).logits
        return -nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]).float(), targets, reduction="none")

    def _score_batch(self, rows: Sequence[tuple[list[int], ScoredTokens]]) -> Tensor:
        width = max(len(head) + len(tail.ids) for head, tail in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.int64)
        seen = torch.zeros(len(rows), width, dtype=torch.int64)
        where: list[tuple[int, int, int]] = []
        for row, (head, tail) in enumerate(rows):
            tokens = [*head, *tail.ids]
            ids[row, : len(tokens)] = torch.tensor(tokens)
            seen[row, : len(tokens)] = 1
            where += [
                (row, len(head) + place - 1, token)
                for place, (token, scored) in enumerate(zip(tail.ids, tail.scored, strict=True))
                if scored
            ]
        index = torch.tensor(where, dtype=torch.int64, device=self.device).reshape(-1, 3)
        scores = self.scored_log_probabilities(
            input_ids=ids.to(self.device),
            position_ids=torch.arange(width, device=self.device).expand(len(rows), -1),
            attention_mask=seen.to(self.device),
            rows=index[:, 0],
            sources=index[:, 1],
            targets=index[:, 2],
        )
        return torch.zeros(len(rows), device=self.device).index_add(0, index[:, 0], scores)

    def stop_ids(self) -> list[int]:
        """Token ids that end a reply."""
        own = getattr(self.model.generation_config, "eos_token_id", None)
        named = [int(token) for token in (own if isinstance(own, list) else [own]) if token is not None]
        return sorted({*self.chat.end_of_turn_ids, *named})

    def padding_id(self) -> int:
        """A token id that fills what no one reads."""
        for token in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        return 0


@contextmanager
def _narrowed_head(model: PreTrainedModel, rows: Tensor, sources: Tensor) -> Iterator[None]:
    head = model.get_output_embeddings()
    if head is None:
        raise LanguageModelError(f"the architecture {model.config.model_type!r} has no LM head that Tacit can find")

    def narrow(_head: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (inputs[0][rows, sources].unsqueeze(0), *inputs[1:])

    hook = head.register_forward_pre_hook(narrow)
    try:
        yield
    finally:
        hook.remove()


def _context_length(model: PreTrainedModel) -> int:
    text = model.config.get_text_config()
    for field in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        value = getattr(text, field, None)
        if isinstance(value, int) and value > 0:
            return value
    return _FALLBACK_CONTEXT


def _fingerprint(model: PreTrainedModel) -> str:
    digest = hashlib.sha256()
    shape = {key: value for key, value in model.config.to_dict().items() if key not in _NOT_IN_FINGERPRINT}
    digest.update(json.dumps(shape, sort_keys=True, default=str).encode())
    for name, weight in sorted(model.named_parameters()):
        digest.update(f"\0{name}\0{weight.dtype}\0{tuple(weight.shape)}\0".encode())
        raw = weight.detach().cpu().contiguous().view(-1).view(torch.uint8)
        digest.update(raw.numpy().data)
    return digest.hexdigest()
