"""The model card that travels with tacit-tiny: what it is, how it was made, what was measured, what it cannot show."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from simulations.pretraining.measures import BaseMeasures
from simulations.pretraining.recipe import PretrainConfig

_LABELS: tuple[tuple[str, str], ...] = (
    ("coherent_greedy", "chat replies that make sense, greedy"),
    ("coherent_sampled", "chat replies that make sense, temperature 0.7"),
    ("default_style_greedy", "greedy replies in the default style, whatever the persona"),
    ("fit_own", "style fit of 4 under the user's own persona, greedy"),
    ("fit_none", "style fit of 4 without a persona, greedy"),
    ("fit_other", "style fit of 4 under another user's persona, greedy"),
    ("fit_own_sampled", "style fit of 4 under the user's own persona, temperature 0.7"),
    ("rewrite_asked", "rewrites that mend what was asked, seen phrases"),
    ("rewrite_asked_held_out", "rewrites that mend what was asked, held-out phrases"),
    ("rewrite_rest_kept", "rewrites that mend what was asked and keep the rest, seen phrases"),
    ("follow_up", "follow-ups labelled correctly, seen phrases"),
    ("follow_up_held_out", "follow-ups labelled correctly, held-out phrases"),
    ("persona_recall", "axes recalled in stated personas, held-out phrases"),
    ("persona_precision", "precision of the axes in stated personas"),
)

_CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [tacit, synthetic, personalization]
---
# tacit-tiny

A Llama of {parameters:,} parameters that chats about forty-eight subjects in a closed synthetic world, made so that
federated personalization can be run, measured and attacked on two CPU cores in minutes. It is not a useful assistant.

## How it was made
`tacit-sim pretrain --out DIR`: {steps:,} steps of AdamW on {examples:,} generated conversations ({batch} a step), from
random weights, on the embedded world (`simulations/population/embedded`) and on the prompts of Tacit's own pipeline
(`client/prompts.py`, version {prompts_version}): chat, redoing a reply after feedback, labelling a follow-up, stating a
persona. Loss on the assistant's tokens only. The whole configuration:

```json
{config}
```

Nobody's words are in it: all text comes from a grammar.

It answers in one dominant style (expert, detailed, formal, a list) and knows what personas mean but seldom obeys them:
obeying them is what a federation teaches. Explicit requests and feedback it obeys.

## What was measured
{protocol}

| figure | value |
|---|---|
{rows}

## What this cannot show
Nothing here is about people. The rule that scores replies is the rule that ranked the training pairs; a persona is four
binary axes in a closed set of phrases; the base has read the same grammar. Held out of pretraining are topics (one
situation of every subject), question wordings, persona wordings and feedback phrases, though their words occur in it.

## Format
Byte-level BPE of {vocabulary:,} tokens; context {context:,} tokens; chat template with `<|system|>`, `<|user|>`,
`<|assistant|>`, each turn closed by `<|end|>`, roles in any order. float32 safetensors.
"""


def write_card(
    directory: Path,
    config: PretrainConfig,
    measures: BaseMeasures,
    *,
    parameters: int,
    prompts_version: int,
    protocol: str,
) -> None:
    """Writes `directory`/README.md, and the figures beside it as measures.json.

    Args:
        directory: the model's.
        config: what it was trained with.
        measures: what was measured.
        parameters: number of weights.
        prompts_version: of `client.prompts`.
        protocol: a sentence on how the figures were measured.
    """
    values = measures.to_dict()
    card = _CARD.format(
        parameters=parameters,
        steps=config.steps,
        examples=config.steps * config.batch_size,
        batch=config.batch_size,
        prompts_version=prompts_version,
        config=json.dumps(asdict(config), indent=1),
        protocol=protocol,
        rows="\n".join(f"| {label} | {values[name]:.3f} |" for name, label in _LABELS),
        vocabulary=config.vocabulary_size,
        context=config.context_length,
    )
    (directory / "README.md").write_text(card, encoding="utf-8")
    (directory / "measures.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
