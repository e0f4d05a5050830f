"""What training did to the model's general abilities: standard benchmarks through EleutherAI's lm-eval.

lm-eval (the extra `tacit[lm-eval]`) brings tasks, prompts and metrics. Tacit brings the model, loaded as everywhere
else (`shared.language_model`), and the adapter. Beside the names of `standard_tasks`, any task, group or tag of lm-eval
can be named.

Each benchmark runs alone and from lm-eval's own seeds, so its figure does not depend on what else was asked. No prompt
and no reply is kept.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import NoReturn, Protocol, cast

from peft import PeftModel

from shared.language_model import LanguageModel, ModelConfig, load_language_model
from simulations.evaluation.boxed_answers import BoxedAnswers
from simulations.evaluation.standard_tasks import (
    STANDARD_TASKS,
    BenchmarkScore,
    StandardBenchmarkError,
    StandardBenchmarks,
    read_scores,
)

INSTALL = "pip install 'tacit[lm-eval]'"

_DEFAULT_NEW_TOKENS = 256  # lm-eval's, for a task that does not say
_SEED = 0  # lm-eval's own of `random`, with which GPQA shuffles its choices

_UNREACHABLE = ("OfflineModeIsEnabled", "LocalEntryNotFoundError", "ConnectError", "ConnectTimeout", "ReadTimeout")
_NOT_SHOWN = ("DatasetNotFoundError", "GatedRepoError", "RepositoryNotFoundError")


class _Task(Protocol):
    """What is read of an lm-eval task."""

    def get_config(self, key: str) -> object: ...


class _TaskManager(Protocol):
    """lm-eval's registry."""

    @property
    def all_tasks(self) -> list[str]: ...

    def load(self, task_list: list[object]) -> Mapping[str, Mapping[str, object]]: ...


@dataclass(frozen=True, kw_only=True)
class _LmEval:
    """The parts of lm-eval that are used."""

    version: str
    evaluate: Callable[..., Mapping[str, object] | None]
    task_manager: Callable[..., _TaskManager]
    model: Callable[..., object]


@dataclass(frozen=True, kw_only=True)
class _Benchmark:
    """A benchmark whose data are loaded: what is run, and the tasks in it."""

    name: str
    roots: list[object]
    tasks: tuple[_Task, ...]
    max_new_tokens: int | None


def run_standard_benchmarks(
    model_name_or_path: str,
    adapter_directory: Path | None = None,
    tasks: Sequence[str] = tuple(STANDARD_TASKS),
    limit: int | None = None,
    output: Path | None = None,
    *,
    model: ModelConfig | None = None,
    include_path: Path | None = None,
    max_new_tokens: int | None = None,
    chat_template: bool | None = None,
    batch_size: int = 8,
    progress: Callable[[BenchmarkScore], None] = lambda _score: None,
) -> StandardBenchmarks:
    """Runs benchmarks on a model, with an adapter or without.

    All data are loaded before the model is, so that a missing one costs no time. `output` is written after each
    benchmark.

    Args:
        model_name_or_path: as `ModelConfig.name` has it: "tacit-tiny", a directory or a name on the hub.
        adapter_directory: a PEFT adapter (a run's `adapter/`); None measures the base model.
        tasks: names of `STANDARD_TASKS`, or lm-eval's own.
        limit: ask only this many questions of each task (of each part of a group): for a try-out.
        output: a file of JSON.
        model: dtype, device and so on; its name is not used.
        include_path: a directory of further lm-eval tasks (YAML).
        max_new_tokens: what a reply may take, instead of what each task says.
        chat_template: whether to put questions as chats; None does so where the tokenizer has a template.
        batch_size: questions at once.
        progress: told each score.

    Raises:
        StandardBenchmarkError: lm-eval is not installed, a task is not known, its data cannot be had, its replies do
            not fit the model's context, or the adapter is none of this model's. It says what to do.
        LanguageModelError: the model cannot be loaded.
        OSError: `output` cannot be written.
    """
    if not tasks or len(set(tasks)) != len(tasks):
        raise StandardBenchmarkError("name at least one benchmark, and none of them twice")
    if any(number is not None and number < 1 for number in (limit, max_new_tokens, batch_size)):
        raise StandardBenchmarkError("limit, max_new_tokens and batch_size must be at least 1")
    if adapter_directory is not None and not (adapter_directory / "adapter_config.json").is_file():
        raise StandardBenchmarkError(
            f"{adapter_directory} holds no adapter_config.json: name the directory that a run wrote its adapter to"
        )
    lm_eval = _import_lm_eval()
    manager = _registry(lm_eval, tasks, include_path)
    benchmarks = [_load(manager, name, max_new_tokens) for name in tasks]
    config = replace(model or ModelConfig(), name=model_name_or_path)
    language_model = load_language_model(config)
    if config.chat_template is not None:
        language_model.tokenizer.chat_template = config.chat_template
    for benchmark in benchmarks:
        _check_reply_length(benchmark, language_model.context_length)
    wrapped = _wrap(lm_eval, language_model, adapter_directory, batch_size)
    found = StandardBenchmarks(
        model=language_model.name,
        adapter=None if adapter_directory is None else adapter_directory.resolve().name,
        chat_template=bool(language_model.tokenizer.chat_template) if chat_template is None else chat_template,
        limit=limit,
        max_new_tokens=max_new_tokens,
        lm_eval=lm_eval.version,
    )
    for benchmark in benchmarks:
        began = time.monotonic()
        tokens = benchmark.max_new_tokens
        results = lm_eval.evaluate(
            model=wrapped,
            tasks=benchmark.roots,
            task_manager=manager,
            limit=limit,
            batch_size=batch_size,
            apply_chat_template=found.chat_template,
            gen_kwargs=None if tokens is None else {"max_gen_toks": tokens},
            log_samples=False,
        )
        if results is None:  # another process has them
            raise StandardBenchmarkError("run standard benchmarks in one process, not under a launcher of several")
        scores = read_scores(results, benchmark.name, seconds=time.monotonic() - began)
        for score in scores:
            progress(score)
        found = replace(found, scores=(*found.scores, *scores))
        if output is not None:
            _write(output, found)
    return found


def _import_lm_eval() -> _LmEval:
    try:
        package = import_module("lm_eval")
        tasks = import_module("lm_eval.tasks")
        models = import_module("lm_eval.models.huggingface")
    except ModuleNotFoundError as error:
        missing = error.name
    else:
        return _LmEval(
            version=str(package.__version__),
            evaluate=package.simple_evaluate,
            task_manager=tasks.TaskManager,
            model=models.HFLM,
        )
    raise StandardBenchmarkError(f"standard benchmarks need lm-eval, and {missing} is not installed: {INSTALL}")


def _registry(lm_eval: _LmEval, names: Sequence[str], include_path: Path | None) -> _TaskManager:
    """lm-eval's tasks; all of them take ten seconds to read, so only where one of them is named."""
    path = None if include_path is None else str(include_path)
    manager = lm_eval.task_manager(include_path=path, include_defaults=False)
    ours = {name for name, spec in STANDARD_TASKS.items() if isinstance(spec.task, BoxedAnswers)}
    if ours.union(manager.all_tasks).issuperset(names):
        return manager
    return lm_eval.task_manager(include_path=path)


def _load(manager: _TaskManager, name: str, max_new_tokens: int | None) -> _Benchmark:
    spec = STANDARD_TASKS.get(name)
    asked: object = name if spec is None else spec.task
    if isinstance(asked, BoxedAnswers):
        asked = asked.task_config()
    elif asked not in manager.all_tasks:
        raise StandardBenchmarkError(
            f"there is no benchmark {name!r}: name one of {', '.join(STANDARD_TASKS)}, or a task of lm-eval "
            "(`lm-eval ls tasks` lists them)"
        )
    random.seed(_SEED)
    try:
        loaded = manager.load([asked])
    except Exception as error:
        _explain(error, name, spec.data if spec is not None else None)
        raise
    groups, tasks = loaded.get("groups", {}), loaded["tasks"]
    return _Benchmark(
        name=name,
        roots=[groups[asked]] if isinstance(asked, str) and asked in groups else list(tasks.values()),
        tasks=tuple(cast(_Task, task) for task in tasks.values()),
        max_new_tokens=max_new_tokens or (spec.max_new_tokens if spec is not None else None),
    )


def _explain(error: Exception, name: str, data: str | None) -> None:
    """Raises what to do about the known ways in which a task cannot be loaded; returns where it is none of them."""
    what = f"the data of {name}" + (f" ({data})" if data is not None else "")
    kinds = {type(one).__name__ for one in _chain(error)}
    if any(isinstance(one, ModuleNotFoundError) for one in _chain(error)):
        _refuse(f"{name} needs a library that is not installed: {INSTALL}")
    if kinds & set(_NOT_SHOWN):
        _refuse(
            f"the hub does not show you {what}: accept their terms there and log in (`hf auth login`), or check that "
            "they are still there"
        )
    if isinstance(error, ConnectionError) or kinds & set(_UNREACHABLE):
        _refuse(
            f"cannot get {what}: the Hugging Face hub cannot be reached. Run once where it can, and take the cache "
            "(HF_HOME) along"
        )


def _refuse(message: str) -> NoReturn:
    raise StandardBenchmarkError(message) from None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _check_reply_length(benchmark: _Benchmark, context_length: int) -> None:
    """lm-eval gives replies their room first and cuts prompts to what is left; without any left it stops midway."""
    for task in benchmark.tasks:
        if task.get_config("output_type") != "generate_until":
            continue
        settings = cast("Mapping[str, object] | None", task.get_config("generation_kwargs")) or {}
        tokens = benchmark.max_new_tokens or cast(int, settings.get("max_gen_toks") or _DEFAULT_NEW_TOKENS)
        if tokens >= context_length:
            raise StandardBenchmarkError(
                f"replies of {benchmark.name} may take {tokens:,} tokens, and the model's context is "
                f"{context_length:,}: set max_new_tokens lower"
            )


def _wrap(lm_eval: _LmEval, language_model: LanguageModel, adapter_directory: Path | None, batch_size: int) -> object:
    """The model as lm-eval takes it, with the adapter in it."""
    model = language_model.model
    # lm-eval says how long a text may become, over which a limit of the model's own would prevail.
    model.generation_config.max_new_tokens = None
    if adapter_directory is not None:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message=".*missing adapter keys")
                model = PeftModel.from_pretrained(model, str(adapter_directory)).eval()
        except (ValueError, RuntimeError, KeyError, TypeError, OSError, UserWarning) as error:
            raise StandardBenchmarkError(
                f"{adapter_directory} is no adapter of {language_model.name} ({type(error).__name__}): name the base "
                "model that it was trained on"
            ) from None
    return lm_eval.model(
        pretrained=model,
        tokenizer=language_model.tokenizer,
        backend="causal",
        max_length=language_model.context_length,
        batch_size=batch_size,
    )


def _write(path: Path, found: StandardBenchmarks) -> None:
    """The file, whole or as it was."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(found.to_json(), file, indent=2, allow_nan=False)
            file.write("\n")
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
