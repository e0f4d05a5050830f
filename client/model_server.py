"""A model behind a local OpenAI-compatible server (Ollama, llama.cpp, vLLM, LM Studio), for rewriting and judging.

`ModelServer` is a `ReplyGenerator` of `shared.generation`, over `POST /chat/completions`. It only writes: such a server
gives no log-probability of a text that it is handed, so the mutual-information reward, reference log-probabilities and
training need the model in this process. Where text may go is decided by `client.endpoint_policy`.

What a server on this machine does with a text cannot be seen from here. One case can be told and is refused: an Ollama
model that runs on Ollama's own servers. One that cannot be told: a server that cuts prompts to its context in silence,
as Ollama does (`OLLAMA_CONTEXT_LENGTH`, 4096 tokens by default).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NoReturn, Unpack

from client.endpoint_policy import Endpoint, EndpointRefusedError
from client.model_connection import ModelConnection, RequestFailure, ServerLimits
from shared.conversation import Message
from shared.generation import GeneratedReply, GenerationSettings, texts_of

_SEEDS = 2**31 - 1  # what every server takes; 0 means "any" to some
_NO_SUCH_PARAMETER = (400, 422, 500, 501)  # how servers say that they do not know `n`
_SHOWN_NAMES = 20
_PATH = re.compile(r"[/\\~.]|[A-Za-z]:[/\\]")  # llama.cpp knows a model by its file
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._:/@+-]{1,128}")


class ModelServerError(RuntimeError):
    """The server gave no usable reply. The message says what to do, and never holds a prompt, a reply or an answer.

    Attributes:
        status: the HTTP status where that is what is wrong, else None.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class ModelServer:
    """A model that another process runs. One call at a time; each keeps `limits.concurrency` requests in flight."""

    def __init__(self, endpoint: Endpoint, *, model: str, limits: ServerLimits | None = None) -> None:
        """Args:
            endpoint: from `client.endpoint_policy.EndpointPolicy.resolve`.
            model: the name that the server knows it by.

        Raises:
            EndpointRefusedError: the key's variable or the authority's file that the policy names cannot be used, or
                the model's name says that it does not run on this machine.
        """
        tag = model.rsplit(":", 1)[-1].lower()
        if not endpoint.consents and (tag == "cloud" or tag.endswith("-cloud")):
            _refuse_cloud(endpoint.name)
        self._endpoint = endpoint
        self._model = model
        self._limits = limits or ServerLimits()
        self._connection = ModelConnection(endpoint, self._limits)
        self._one_call = threading.Lock()
        self._is_checked = False
        self._honours_n: bool | None = None  # None: not known yet

    def __repr__(self) -> str:
        return f"ModelServer({self.name!r})"

    def __enter__(self) -> ModelServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections. So does letting go of the server; the next call would open new ones."""
        self._connection.close()

    @property
    def name(self) -> str:
        """The model and the endpoint, as in `llama3.2@127.0.0.1:11434`; of a path its last part, as `LanguageModel`."""
        model = re.split(r"[/\\]", self._model)[-1] if _PATH.match(self._model) else self._model
        return f"{model}@{self._endpoint.name}"

    def models(self) -> tuple[str, ...]:
        """The models that the server says it has, in its order. Raises `ModelServerError`."""
        with self._one_call:
            self._connection.resume()
            return self._models()

    def check(self) -> None:
        """Whether the server is there, has the model, and runs it itself. The first generation does this too.

        Raises:
            ModelServerError: it is not there, or has no such model; the message lists those that it has.
            EndpointRefusedError: the server says that the model runs elsewhere, and the policy does not allow that.
        """
        with self._one_call:
            self._connection.resume()
            self._check()

    def generate(
        self, conversations: Sequence[Sequence[Message]], **settings: Unpack[GenerationSettings]
    ) -> list[list[str]]:
        """The texts of `generate_replies`, cut ones among them: what is to be trained on must ask for replies."""
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
        """Replies to conversations, each ending with the user's message. All of them, or an error.

        Args:
            temperature: 0 is greedy.
            samples: replies per conversation; more than one needs a temperature above 0. Asked for with `n`, and one by
                one of a server that does not know `n`.
            seed: of the sampling; each conversation and sample gets one of its own from it. How far the same seeds give
                the same replies is up to the server.
            batch_size: at most this many requests are in flight, if that is fewer than the limit.

        Returns:
            one list of `samples` replies per conversation, in the order given; finished only where the server says so.

        Raises:
            ValueError: `samples` above 1 at temperature 0, a size below 1, or a conversation that does not end with
                the user.
            ModelServerError: a request failed for good; the others are given up.
            EndpointRefusedError: see `check`.
        """
        if max_new_tokens < 1 or samples < 1 or batch_size < 1 or not (math.isfinite(temperature) and temperature >= 0):
            raise ValueError("max_new_tokens, samples and batch_size must be at least 1, and temperature not negative")
        if samples > 1 and temperature == 0:
            raise ValueError("greedy decoding gives one reply: several samples need a temperature above 0")
        if any(not turns or turns[-1].role != "user" for turns in conversations):
            raise ValueError("every conversation must end with the user's message")
        if not conversations:
            return []

        def of_one(index: int) -> list[GeneratedReply]:
            question: dict[str, object] = {
                "model": self._model,
                "messages": [{"role": turn.role, "content": turn.content} for turn in conversations[index]],
                "max_tokens": max_new_tokens,
                "temperature": temperature,
                "top_p": 1.0,
                "stream": False,
            }
            return self._samples(question, samples=samples, first_seed=_first_seed(seed, index))

        at_once = min(self._limits.concurrency, batch_size, len(conversations))
        with self._one_call:
            self._connection.resume()
            if not self._is_checked:
                self._check()
            with ThreadPoolExecutor(max_workers=at_once) as workers:
                futures = [workers.submit(of_one, index) for index in range(len(conversations))]
                try:
                    failed = next((error for done in as_completed(futures) if (error := done.exception())), None)
                finally:
                    self._connection.give_up()  # also on Ctrl-C: what nobody will read is neither sent nor waited for
        if failed is not None:
            raise failed
        return [future.result() for future in futures]

    def _samples(self, question: dict[str, object], *, samples: int, first_seed: int) -> list[GeneratedReply]:
        replies: list[GeneratedReply] = []
        if samples > 1 and self._honours_n is not False:
            try:
                replies = self._complete({**question, "n": samples, "seed": first_seed}, at_most=samples)
            except ModelServerError as error:
                if self._honours_n or error.status not in _NO_SUCH_PARAMETER:
                    raise
            if len(replies) == samples:
                self._honours_n = True
        while len(replies) < samples:
            seed = 1 + (first_seed - 1 + len(replies)) % _SEEDS
            replies += self._complete({**question, "seed": seed}, at_most=1)
            self._honours_n = False if samples > 1 else self._honours_n
        return replies

    def _complete(self, question: dict[str, object], *, at_most: int) -> list[GeneratedReply]:
        answer = self._ask("POST", "/chat/completions", question)
        choices = answer.get("choices")
        if not isinstance(choices, list) or not 1 <= len(choices) <= at_most:
            self._fail(f"its answer does not hold between 1 and {at_most} choices")
        return [self._reply(choice) for choice in choices]

    def _reply(self, choice: object) -> GeneratedReply:
        message = choice.get("message") if isinstance(choice, dict) else None
        text = message.get("content") if isinstance(message, dict) else None
        if not isinstance(choice, dict) or not isinstance(text, str):
            self._fail("a choice in its answer holds no text")
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            self._fail("a choice in its answer holds half of a surrogate pair, which is not text")
        return GeneratedReply(text=text, finished=choice.get("finish_reason") == "stop")

    def _check(self) -> None:
        found = self._models()
        spellings = {self._model, f"{self._model}:latest"}  # Ollama's default tag
        if not spellings & set(found):
            shown = [name for name in found if _PLAIN_NAME.fullmatch(name)][:_SHOWN_NAMES]
            known = ", ".join(shown) or "none"
            more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
            self._fail(f"it has no model of the name asked for; it has: {known}{more}")
        if not self._endpoint.consents and self._runs_elsewhere(spellings):
            _refuse_cloud(self._endpoint.name)
        self._is_checked = True

    def _models(self) -> tuple[str, ...]:
        listed = self._ask("GET", "/models").get("data")
        models = [] if listed is None else listed  # Ollama without models says null
        names = [model.get("id") if isinstance(model, dict) else None for model in _as_list(models)]
        known = tuple(name for name in names if isinstance(name, str))
        if not isinstance(models, list) or len(known) < len(names):
            self._fail("its list of models is not a list of objects with an id")
        return known

    def _runs_elsewhere(self, spellings: set[str]) -> bool:
        """Whether Ollama's own list says that another host runs the model. Other servers have no such list."""
        body = self._connection.request("GET", self._endpoint.url.path.removesuffix("/v1") + "/api/tags")
        if isinstance(body, RequestFailure):
            if body.status is None or body.may_pass or not 400 <= body.status < 500:
                self._fail(body.reason, body.status)
            return False
        return any(
            isinstance(model, dict)
            and not spellings.isdisjoint(
                name for name in (model.get("name"), model.get("model")) if isinstance(name, str)
            )
            and bool(model.get("remote_host") or model.get("remote_model"))
            for model in _as_list((_parse_object(body) or {}).get("models"))
        )

    def _ask(self, method: str, path: str, question: dict[str, object] | None = None) -> dict[str, object]:
        """The answer, a JSON object. Raises: ModelServerError."""
        content = None if question is None else json.dumps(question).encode("ascii")
        body = self._connection.request(method, self._endpoint.url.path + path, content)
        if isinstance(body, RequestFailure):
            self._fail(body.reason, body.status)
        answer = _parse_object(body)
        if answer is None:
            self._fail("its answer is not a JSON object in UTF-8; is this an OpenAI-compatible server?")
        return answer

    def _fail(self, reason: str, status: int | None = None) -> NoReturn:
        raise ModelServerError(f"{self._endpoint.name}: {reason}", status)


def _first_seed(seed: int, conversation: int) -> int:
    """Of a conversation's samples, which count up from it: in [1, 2^31), and unrelated to the next conversation's."""
    digest = hashlib.sha256(f"{seed}/{conversation}".encode()).digest()
    return 1 + int.from_bytes(digest[:8], "big") % _SEEDS


def _parse_object(body: bytes) -> dict[str, object] | None:
    try:
        value: object = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):  # they hold the text
        return None
    return value if isinstance(value, dict) else None


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _refuse_cloud(name: str) -> NoReturn:
    raise EndpointRefusedError(
        f"{name}: this model runs on Ollama's servers and not on this machine, so private text would leave it. "
        "Choose a model that is downloaded; OLLAMA_NO_CLOUD=1 makes Ollama refuse the others"
    )
