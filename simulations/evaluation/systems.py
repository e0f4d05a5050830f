"""What is compared: a base model, or a base model with an adapter, opened by name.

"base" is the base model; a run's directory is its adapter on the base it was trained on; any other directory is a PEFT
adapter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from peft import PeftModel

from server.releases import ADAPTER_DIRECTORY
from shared.causal_lm import LanguageModel
from shared.flat_config import ConfigError
from shared.language_model import ModelConfig, load_language_model
from simulations.run.config import RunConfig
from simulations.run.directory import RunFiles

BASE = "base"


@dataclass(frozen=True, kw_only=True)
class System:
    """A model to compare: its name, and the model."""

    name: str
    model: LanguageModel


def base_of(path: Path) -> ModelConfig:
    """The base model that an adapter was trained on.

    Raises:
        ConfigError: the directory holds neither a run nor an adapter.
    """
    if (path / "config.toml").is_file():
        return RunFiles(path).read_config().plan.model
    try:
        settings = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))
        return ModelConfig(name=str(settings["base_model_name_or_path"]))
    except FileNotFoundError:
        raise ConfigError(f"{path} holds neither a run (config.toml) nor an adapter (adapter_config.json)") from None
    except (ValueError, KeyError):
        raise ConfigError(f"{path / 'adapter_config.json'} is damaged") from None


def run_config_of(path: Path) -> RunConfig | None:
    """The configuration of the run in a directory; None of a bare adapter."""
    return RunFiles(path).read_config() if (path / "config.toml").is_file() else None


def open_system(what: str, base: ModelConfig, *, device: str | None = None) -> System:
    """A model ready to write.

    Args:
        what: "base", a run's directory or an adapter's.
        base: the model that both sides of a comparison stand on.
        device: instead of the configuration's.

    Raises:
        ConfigError: no such directory, an unfinished run, or an adapter that does not fit the base.
        LanguageModelError: the base cannot be loaded.
    """
    config = base if device is None else replace(base, device=device)  # type: ignore[arg-type]
    model = load_language_model(config)
    if what == BASE:
        return System(name=BASE, model=model)
    path = Path(what)
    adapter = path / ADAPTER_DIRECTORY if (path / "config.toml").is_file() else path
    if not (adapter / "adapter_config.json").is_file():
        raise ConfigError(
            f"{path} holds no adapter: name 'base', a finished run, or a directory with adapter_config.json"
        )
    try:
        PeftModel.from_pretrained(model.model, str(adapter))
    except Exception as error:
        raise ConfigError(
            f"the adapter in {adapter} does not fit the base model {model.name!r} ({type(error).__name__})"
        ) from None
    return System(name=path.name or str(path), model=model)
