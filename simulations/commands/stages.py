"""`tacit-sim evaluate follow-ups`, `screening` and `injections`: single stages of the device's pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from shared.flat_config import ConfigError
from simulations.commands.showing import explained_here, out, shown_estimate, write_json

if TYPE_CHECKING:
    from client.followups import FollowUpClassifier

_Json = Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")]
_Data = Annotated[
    Path | None, typer.Option("--data", help="Directory of real data sets, a folder each; what is not there is said.")
]
_Model = Annotated[str, typer.Option(help="tacit-tiny, a Hugging Face name, or a directory.")]
_Classifier = Annotated[str, typer.Option(help="light (no model) or model.")]


def follow_ups(
    data: _Data = None, classifier: _Classifier = "light", model: _Model = "tacit-tiny", json_path: _Json = None
) -> None:
    """How well follow-ups are told apart: held-out phrases of the embedded world, and people's own words."""
    from simulations.evaluation.followup_classification import ROW_HEADINGS, evaluate_followups

    with explained_here():
        chosen = _classifier(classifier, model)
        with out.status(f"{chosen.name} labels follow-ups"):
            found = evaluate_followups(chosen, data)
        table = Table(title=f"Follow-ups told apart by: {found.classifier}", title_justify="left")
        for heading in ROW_HEADINGS:
            table.add_column(heading)
        for row in found.rows():
            table.add_row(*row)
        out.print(table)
        if found.absent:
            out.print(f"not measured, for want of --data: {', '.join(found.absent)}", highlight=False)
        write_json(json_path, found.to_json())


def screening(data: _Data = None, json_path: _Json = None) -> None:
    """What the screens catch: sensitive statements, harmful feedback, injections; planted ones, and real text."""
    from simulations.evaluation.screening import measure_screening

    with explained_here():
        with out.status("screening"):
            found = measure_screening(data)
        table = Table(title="Planted sentences that are caught, and benign ones that are", title_justify="left")
        for heading in found.ROW_HEADINGS:
            table.add_column(heading)
        for row in found.rows():
            table.add_row(*row)
        out.print(table)
        write_json(json_path, found.to_json())


def injections(
    users: Annotated[int, typer.Option(help="Simulated users, four conversations each.", min=2)] = 100,
    classifier: _Classifier = "light",
    model: _Model = "tacit-tiny",
    seed: Annotated[int, typer.Option(help="Of users and of what is planted.", min=0)] = 0,
    json_path: _Json = None,
) -> None:
    """How often a planted "ignore your instructions ..." changes a label or a rewrite, and how often it is caught."""
    from dataclasses import asdict

    from shared.language_model import ModelConfig, load_language_model
    from simulations.rlhi.injections import measure_injections

    with explained_here():
        own = load_language_model(ModelConfig(name=model))
        with out.status("planting"):
            found = measure_injections(own, _classifier(classifier, model), users=users, seed=seed)
        table = Table(title=f"Injections planted with {users} users", title_justify="left")
        for heading in ("in the", "label changed", "rewrite changed", "caught", "changed and not caught"):
            table.add_column(heading)
        for effect in found:
            shares = (effect.label_changed, effect.rewrite_changed, effect.caught, effect.changed_and_not_caught)
            table.add_row(effect.place, *map(shown_estimate, shares))
        out.print(table)
        write_json(json_path, {"effects": [asdict(effect) for effect in found]})


def _classifier(name: str, model: str) -> FollowUpClassifier:
    from client.followups.by_model import ModelFollowUpClassifier
    from client.followups.light import LightFollowUpClassifier
    from shared.language_model import ModelConfig, load_language_model

    if name == "light":
        return LightFollowUpClassifier.packaged()
    if name == "model":
        return ModelFollowUpClassifier(load_language_model(ModelConfig(name=model)))
    raise ConfigError("--classifier must be light or model")
