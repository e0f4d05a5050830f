"""Standard benchmarks through lm-eval: the adapter is in the model, figures are right, and errors say what to do.

What needs lm-eval runs on made-up questions in local files, on tacit-tiny, and is skipped where lm-eval is absent.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.language_model import LanguageModel, ModelConfig, load_language_model
from simulations.evaluation.standard_benchmarks import run_standard_benchmarks
from simulations.evaluation.standard_tasks import STANDARD_TASKS, BenchmarkScore, StandardBenchmarkError

needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed (pip install 'tacit[lm-eval]')"
)

QUESTIONS = [
    ("Which one is brief?", ["A short word.", "A very long explanation of everything there is."], 0),
    ("Which one is a list?", ["- first\n- second", "One plain sentence."], 0),
    ("Which one is polite?", ["Give me that!", "Please consult a professional."], 1),
    ("Which one is technical?", ["electrolyte homeostasis", "you know, salts and things"], 0),
    ("Which one comes last?", ["a beginning", "an end"], 1),
]

CHOICE_TASK = """
task: made_up_choice
dataset_path: json
dataset_kwargs: {data_files: {test: DIRECTORY/questions.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_choice: "{{choices}}"
doc_to_target: gold
num_fewshot: 0
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
metadata: {version: 1.0}
"""

REPLY_TASK = """
task: made_up_reply
dataset_path: json
dataset_kwargs: {data_files: {test: DIRECTORY/questions.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{choices[0]}}"
process_results: !function measures.reply_length
generation_kwargs: {until: [], max_gen_toks: 200, do_sample: false}
num_fewshot: 0
metric_list: [{metric: characters, aggregation: mean, higher_is_better: true}]
metadata: {version: 2.0}
"""

GROUP = """
group: made_up_group
task: [made_up_choice, made_up_choice_again]
aggregate_metric_list: [{metric: acc, aggregation: mean, weight_by_size: true}]
metadata: {version: 3.0}
"""


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of lm-eval tasks over made-up questions."""
    directory = tmp_path_factory.mktemp("tasks")
    lines = [json.dumps({"question": q, "choices": choices, "gold": gold}) for q, choices, gold in QUESTIONS]
    (directory / "questions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for name, text in (("choice", CHOICE_TASK), ("reply", REPLY_TASK), ("group", GROUP)):
        (directory / f"{name}.yaml").write_text(text.replace("DIRECTORY", str(directory)), encoding="utf-8")
    again = CHOICE_TASK.replace("made_up_choice", "made_up_choice_again").replace("DIRECTORY", str(directory))
    (directory / "again.yaml").write_text(again, encoding="utf-8")
    (directory / "measures.py").write_text(
        "def reply_length(doc, results):\n    return {'characters': float(len(results[0]))}\n", encoding="utf-8"
    )
    return directory


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes what the model says."""
    directory = tmp_path_factory.mktemp("run") / "adapter"
    adapted = attach_adapter(load_language_model(ModelConfig(device="cpu")), AdapterConfig())
    generator = np.random.default_rng(0)
    adapted.load(generator.normal(0, 1.0, size=adapted.spec.dimension).astype(np.float32))
    adapted.save(directory)
    return directory


def chosen_right(model: LanguageModel) -> float:
    """The share of `QUESTIONS` whose right choice has the higher log-probability: lm-eval's `acc`, done by hand."""
    right = 0
    for question, choices, gold in QUESTIONS:
        scores = []
        for choice in choices:
            prompt = model.tokenizer(f"Question: {question}\nAnswer:", add_special_tokens=False)["input_ids"]
            whole = model.tokenizer(f"Question: {question}\nAnswer: {choice}", add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logits = model.model(torch.tensor([whole], device=model.device)).logits[0].log_softmax(-1)
            scores.append(sum(float(logits[place - 1, whole[place]]) for place in range(len(prompt), len(whole))))
        right += int(np.argmax(scores)) == gold
    return right / len(QUESTIONS)


def run(tasks: Path, names: Sequence[str], **more: object) -> tuple[BenchmarkScore, ...]:
    arguments: dict[str, object] = {"include_path": tasks, "model": ModelConfig(device="cpu"), **more}
    return run_standard_benchmarks("tacit-tiny", tasks=names, **arguments).scores  # type: ignore[arg-type]


@needs_lm_eval
@pytest.mark.slow
def test_figures_are_those_of_the_model_and_of_the_model_with_its_adapter(tasks: Path, adapter: Path) -> None:
    model = load_language_model(ModelConfig(device="cpu"))
    base = chosen_right(model)
    from peft import PeftModel  # the model is changed in place

    PeftModel.from_pretrained(model.model, str(adapter))
    tuned = chosen_right(model)
    assert base != tuned
    (without,) = run(tasks, ["made_up_choice"], chat_template=False)
    (with_adapter,) = run(tasks, ["made_up_choice"], chat_template=False, adapter_directory=adapter)
    assert without.value == pytest.approx(base)
    assert with_adapter.value == pytest.approx(tuned)
    assert (without.metric, without.questions, without.asked, without.version) == ("acc,none", 5, 5, "1.0")


@needs_lm_eval
@pytest.mark.slow
def test_what_was_measured_is_written_and_holds_no_text(tasks: Path, adapter: Path, tmp_path: Path) -> None:
    output, told = tmp_path / "benchmarks.json", list[str]()
    found = run_standard_benchmarks(
        "tacit-tiny",
        adapter,
        ["made_up_reply", "made_up_group"],
        2,
        output,
        include_path=tasks,
        max_new_tokens=8,
        progress=lambda score: told.append(score.name),
    )
    written = output.read_text(encoding="utf-8")
    assert json.loads(written) == json.loads(json.dumps(found.to_json()))
    assert told == ["made_up_reply", "made_up_group"]
    assert (found.model, found.adapter, found.limit, found.chat_template) == ("tacit-tiny", "adapter", 2, True)
    reply, group = found.scores
    assert (reply.version, reply.asked, reply.questions) == ("2.0", 2, 5)
    assert (group.version, group.asked, group.questions, group.examples) == ("3.0", 4, 10, 0)
    assert found.rows()[0][2] == "2 of 5"
    for question, choices, _ in QUESTIONS:
        assert question not in written
        assert not any(choice in written for choice in choices)
    assert str(tmp_path) not in written


@needs_lm_eval
@pytest.mark.slow
def test_a_reply_is_as_long_as_the_task_or_the_caller_allows(tasks: Path) -> None:
    # tacit-tiny itself would stop at 128 tokens, with which no reply to a task that allows more may end.
    (short,) = run(tasks, ["made_up_reply"], max_new_tokens=3, limit=3)
    (longer,) = run(tasks, ["made_up_reply"], max_new_tokens=40, limit=3)
    assert 0 < short.value <= 3 * 12
    assert longer.value > short.value
    with pytest.raises(StandardBenchmarkError, match="may take 1,024 tokens, and the model's context is 1,024"):
        run(tasks, ["made_up_reply"], max_new_tokens=1024)


@needs_lm_eval
@pytest.mark.slow
def test_a_benchmark_does_not_depend_on_what_else_is_asked(tasks: Path) -> None:
    (alone,) = run(tasks, ["made_up_reply"], max_new_tokens=6)
    _, after = run(tasks, ["made_up_choice", "made_up_reply"], max_new_tokens=6)
    assert after.figures == alone.figures


@needs_lm_eval
@pytest.mark.slow
def test_unknown_benchmarks_are_named(tasks: Path) -> None:
    with pytest.raises(StandardBenchmarkError, match="no benchmark 'made_up': name one of mmlu-pro, gpqa-main"):
        run(tasks, ["made_up"])


@needs_lm_eval
@pytest.mark.parametrize("name", ["olympiadbench", "minerva-ocw"])
def test_a_hub_out_of_reach_is_said_with_the_benchmark(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config  # type: ignore[import-untyped]
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(StandardBenchmarkError) as caught:
        run_standard_benchmarks("tacit-tiny", tasks=[name])
    assert f"cannot get the data of {name} ({STANDARD_TASKS[name].data})" in str(caught.value)
    assert "hub cannot be reached" in str(caught.value)


@needs_lm_eval
def test_gated_data_are_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def gated(*_: object, **__: object) -> None:
        raise datasets.exceptions.DatasetNotFoundError("Dataset 'x' is a gated dataset on the Hub.")

    monkeypatch.setattr(datasets, "load_dataset", gated)
    with pytest.raises(StandardBenchmarkError, match="does not show you the data of olympiadbench"):
        run_standard_benchmarks("tacit-tiny", tasks=["olympiadbench"])


@needs_lm_eval
@pytest.mark.parametrize("damage", ["another rank", "a weight is missing", "no weights", "other modules"])
def test_a_broken_adapter_is_not_passed_over(tasks: Path, adapter: Path, tmp_path: Path, damage: str) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    changes: dict[str, dict[str, object]] = {"another rank": {"r": 2}, "other modules": {"target_modules": ["c_attn"]}}
    change = changes.get(damage, {})
    (broken / "adapter_config.json").write_text(json.dumps(settings | change), encoding="utf-8")
    weights = load_file(adapter / "adapter_model.safetensors")
    if damage == "a weight is missing":
        del weights[min(weights)]
    if damage != "no weights":
        save_file(weights, broken / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StandardBenchmarkError, match="is no adapter of tacit-tiny"):
        run(tasks, ["made_up_choice"], adapter_directory=broken)


def made_up_hub(path: str, name: str | None = None, **_: object) -> object:
    """A few questions in the shape that each benchmark's data have on the hub."""
    from datasets import Dataset, DatasetDict

    rows: list[dict[str, object]]
    if path == "TIGER-Lab/MMLU-Pro":
        rows = [
            {
                "question_id": place,
                "question": "Which is one?",
                "options": ["one", "two", "three"],
                "answer": "A",
                "answer_index": 0,
                "cot_content": "A: One is one. The answer is (A).",
                "category": category,
                "src": "made up",
            }
            for place, category in enumerate(
                ["biology", "business", "chemistry", "computer science", "economics", "engineering", "health",
                 "history", "law", "math", "other", "philosophy", "physics", "psychology"] * 6
            )
        ]  # fmt: skip
        return DatasetDict({"test": Dataset.from_list(rows), "validation": Dataset.from_list(rows)})
    if path == "Idavidrein/gpqa":
        choices = {f"Incorrect Answer {place}": f"wrong {place}" for place in (1, 2, 3)}
        rows = [{"Question": "Which is right?", "Correct Answer": "right", **choices}] * 3
        return DatasetDict({"train": Dataset.from_list(rows)})
    if path in ("EleutherAI/hendrycks_math", "HuggingFaceH4/MATH-500"):
        rows = [{"problem": "What is $1+1$?", "level": "1", "type": str(name), "solution": "It is $\\boxed{2}$."}] * 3
        return DatasetDict({"train": Dataset.from_list(rows), "test": Dataset.from_list(rows)})
    if path == "Hothan/OlympiadBench":
        rows = [{"question": "What is $1+1$?", "final_answer": ["$2$"], "error": None}] * 3
        return DatasetDict({"train": Dataset.from_list(rows)})
    assert path == "math-ai/minervamath"
    return DatasetDict({"test": Dataset.from_list([{"question": "What is $1+1$?", "answer": "2"}] * 3)})


@needs_lm_eval
@pytest.mark.slow
def test_every_named_benchmark_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", made_up_hub)
    found = run_standard_benchmarks("tacit-tiny", limit=1, max_new_tokens=4)
    assert [score.name for score in found.scores] == list(STANDARD_TASKS)
    for score in found.scores:
        assert score.metric == STANDARD_TASKS[score.name].metric
        assert 0 <= score.value <= 1
    asked = {score.name: (score.examples, score.asked) for score in found.scores}
    assert asked["mmlu-pro"] == (5, 14)
    assert asked["minerva-math"] == (4, 7)
    assert asked["gpqa-diamond"] == asked["olympiadbench"] == (0, 1)


def test_without_lm_eval_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(StandardBenchmarkError, match=r"lm_eval is not installed: pip install 'tacit\[lm-eval\]'"):
        run_standard_benchmarks("tacit-tiny", tasks=["mmlu-pro"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: run_standard_benchmarks("tacit-tiny", tasks=[]), "at least one benchmark"),
        (lambda: run_standard_benchmarks("tacit-tiny", tasks=["mmlu-pro", "mmlu-pro"]), "none of them twice"),
        (lambda: run_standard_benchmarks("tacit-tiny", limit=0), "must be at least 1"),
        (lambda: run_standard_benchmarks("tacit-tiny", batch_size=0), "must be at least 1"),
        (lambda: run_standard_benchmarks("tacit-tiny", max_new_tokens=0), "must be at least 1"),
        (lambda: run_standard_benchmarks("tacit-tiny", Path(__file__).parent), "holds no adapter_config.json"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_loaded(asked: Callable[[], object], said: str) -> None:
    with pytest.raises(StandardBenchmarkError, match=said):
        asked()
