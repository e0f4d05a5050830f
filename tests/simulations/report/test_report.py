"""A report's numbers are those of its runs, nothing that is put in can break out, and nothing is said that was not
measured."""

from __future__ import annotations

import csv
import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from server.releases import ReleaseError
from shared.flat_config import ConfigError
from simulations.cli import app
from simulations.evaluation.retained_gain import retained_gain
from simulations.evaluation.worst_decile import worst_decile
from simulations.report.sources import read_source
from simulations.report.writing import write_report
from simulations.sweeps.directory import write_sweep_table
from tests.simulations.report.made import USERS, add_audit, guarantee, make_run, make_sweep

EVIL = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


def tables(page: str) -> dict[str, list[list[str]]]:
    """Caption → rows of text, the headings first."""
    found = {}
    for table in re.findall(r"<table>(.*?)</table>", page, flags=re.DOTALL):
        caption = unescape(re.search(r"<caption>(.*?): the numbers", table)[1])  # type: ignore[index]
        found[caption] = [
            [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
            for row in re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)
        ]
    return found


def _row(rows: list[list[str]], name: str) -> dict[str, str]:
    return dict(zip(rows[0], next(row for row in rows[1:] if row[0] == name), strict=True))


def _write(paths: list[Path], out: Path, *, comparing: bool = False) -> str:
    return write_report(paths, out, comparing=comparing).read_text(encoding="utf-8")


class _Tree(HTMLParser):
    """Tags that are open when they should be closed, ids that stand twice, and attributes that load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.suspicious: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            inside = str(value).startswith(("#", "data:,"))
            if name.startswith("on") or (name in ("src", "href", "xlink:href") and not inside) or tag == "script":
                self.suspicious.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _check_tree(page: str) -> None:
    tree = _Tree()
    tree.feed(page)
    assert tree.open == []
    assert len(tree.ids) == len(set(tree.ids))
    assert tree.suspicious == []


def test_a_sweeps_numbers_are_those_of_its_summaries(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    add_audit(sweep / "epsilon-4-1")
    page = _write([sweep], sweep)
    _check_tree(page)
    found = tables(page)

    summaries = {
        (cell, seed): json.loads((sweep / f"{cell}-{seed}" / "summary.json").read_text())
        for cell in ("none", "epsilon-4", "epsilon-1")
        for seed in (0, 1)
    }
    wins = {key: np.array(one["details"]["replies"]["wins"]["0.0"]["own"]) for key, one in summaries.items()}
    for cell in ("none", "epsilon-4", "epsilon-1"):
        frontier = _row(found["What privacy leaves of the gain"], cell)
        both = np.concatenate([wins[cell, 0], wins[cell, 1]])
        assert frontier["result"].startswith(f"{100 * both.mean():.1f} % [")
        rates = ", ".join(
            f"{100 * summaries[cell, seed]['utility']['win_rate_greedy']['tuned']:.1f}" for seed in (0, 1)
        )
        assert frontier["by seed, %"] == rates
        assert frontier["users"] == str(2 * USERS)
        assert frontier["ε, server and everyone"] == {"none": "∞", "epsilon-4": "4.00", "epsilon-1": "1.00"}[cell]
        people = _row(found["Person by person, and the worst-served tenth"], cell)
        assert people["tuned, worst tenth"].startswith(f"{worst_decile(4 * both):.2f} [")
        assert people["better off"] == f"{100 * np.mean(4 * both > 1.5):.0f} %"
        costs = _row(found["Bytes and seconds per round"], cell)
        assert (costs["kB up"], costs["kB down"], costs["s a round, median"]) == ("54.0", "57.0", "4.0")
    kept = retained_gain([wins["epsilon-1", seed] for seed in (0, 1)], [wins["none", seed] for seed in (0, 1)], seed=0)
    said = _row(found["What privacy leaves of the gain"], "epsilon-1")["gain kept"]
    assert said == f"{100 * kept.value:.0f} % [{100 * kept.low:.0f}, {100 * kept.high:.0f}] {kept.verdict(0.9)}"
    rounds = [row for row in found["Win rate by round"] if row[0] == "none"]
    assert [row[1:3] for row in rounds] == [["1", "60 %"], ["2", "70 %"], ["3", "80 %"]]
    audit = _row(found["Audits against what is claimed"], "epsilon-4, seed 1")
    assert (audit["claimed ε"], audit["lower bound"], audit["canaries"], audit["verdict"]) == (
        "4.00", "1.25", "1,000", "holds",
    )  # fmt: skip
    text = unescape(re.sub(r"<[^>]+>", "", page))
    assert "<dt>right guesses</dt><dd>700</dd>" in page
    assert "<dt>interval</dt><dd>[0.100, 0.200]</dd>" in page
    for epsilon in (4.0, 1.0):
        assert guarantee(epsilon).sentence() in text
    assert text.count("tacit-sim sweep made.toml --out made") == len(found)
    assert f"tacit-sim report {sweep} --out {sweep}" in text
    for name in ("frontier", "settings", "rounds", "people", "audits", "costs"):
        assert (sweep / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (sweep / "plots" / f"{name}.svg").read_bytes()
        assert f'<section id="{name}">' in page


def test_an_audits_figures_are_folded_away_group_by_group_and_its_observers_told_apart(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", wins=np.ones(6), epsilon=4.0)
    add_audit(run)
    kept = json.loads((run / "audit.json").read_text())["results"]
    told = {"own persona": {"in_a_reply": {"secrets": 8, "bits": [1.0, 0.5, 1.5]}, "held_out": {"secrets": 4}}}
    second = {**kept[0], "observer": "whoever sees releases, and no more", "figures": told}
    (run / "audit.json").write_text(json.dumps({"results": [*kept, second]}))
    page = _write([run], tmp_path / "out")

    _check_tree(page)
    assert "<dt>own persona, in a reply</dt><dd>secrets 8; bits [1.000, 0.500, 1.500]</dd>" in page
    assert "<dt>own persona, held out</dt><dd>secrets 4</dd>" in page
    assert "<dt>what it cannot show</dt><dd>a stronger attack may exist</dd>" in page
    plot = (tmp_path / "out" / "plots" / "audits.svg").read_text()
    assert "the server<" in plot
    assert "whoever sees releases<" in plot


def test_what_was_not_measured_is_said_to_be_missing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", wins=np.ones(6))
    (run / "rounds_utility.jsonl").unlink()
    page = _write([run], run)

    assert "Win rate by round" not in tables(page)
    assert "Win rates by round: run with --set evaluation.by-round=40." in page
    assert "Audits: attack a run with `tacit-sim audit RUN`." in page
    assert "tacit-sim baselines RUN" in page
    assert "Nothing: no noise is added" in page


def test_an_unfinished_run_of_a_sweep_is_named(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    (sweep / "epsilon-1-1" / "summary.json").unlink()
    page = _write([sweep], sweep)
    assert "Not finished, and not here: epsilon-1, seed 1." in page
    assert _row(tables(page)["What privacy leaves of the gain"], "epsilon-1")["users"] == str(USERS)


def test_hostile_names_and_replies_are_text(tmp_path: Path) -> None:
    evil = tmp_path / EVIL.replace("/", "-")
    make_run(evil, wins=np.ones(6), example=EVIL, command=f"tacit-sim run {EVIL}", epsilon=2.0)
    add_audit(evil, name=EVIL, observer=EVIL, verdict="violated", figures={EVIL: EVIL})
    row = {"about": EVIL, "utility": {"win_rate_greedy": {"own_persona": 0.7, "ci95": [0.6, 0.8]}}}
    (evil / "baselines.json").write_text(json.dumps({"rows": {EVIL: row, "ours": row}}))
    page = _write([evil], tmp_path / "out")

    _check_tree(page)
    assert "<script" not in page
    assert "<img" not in page
    assert f"baseline: {EVIL}" in [row[0] for row in tables(page)["What was learned"]]
    assert "1 of 1 results VIOLATE" in page


def test_recorded_peoples_words_are_never_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", wins=np.ones(6), source="jsonl", example="SECRET WORDS")
    assert "SECRET WORDS" not in _write([run], tmp_path / "out")


def test_the_same_runs_make_the_same_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", wins=np.linspace(0, 1, 9), epsilon=3.0)
    first = _write([run], tmp_path / "out")
    drawn = (tmp_path / "out" / "plots" / "people.svg").read_bytes()
    assert _write([run], tmp_path / "out") == first
    assert (tmp_path / "out" / "plots" / "people.svg").read_bytes() == drawn


def test_what_is_no_run_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="holds no finished run and no sweep"):
        read_source(tmp_path)
    run = make_run(tmp_path / "run", wins=np.ones(6))
    (run / "audit.json").write_text("{}")
    with pytest.raises(ReleaseError, match=r"audit\.json is damaged: audit the run again"):
        read_source(run)
    (run / "audit.json").unlink()
    (run / "baselines.json").write_text('{"rows": []}')
    with pytest.raises(ReleaseError, match=r"baselines\.json is damaged"):
        read_source(run)
    with pytest.raises(ConfigError, match="name two runs or two sweeps"):
        write_report([run], tmp_path / "out", comparing=True)
    said = CliRunner().invoke(app, ["report", str(tmp_path / "nowhere")])
    assert said.exit_code == 1
    assert "holds no finished run" in " ".join(said.output.split())


def test_a_sweeps_table_is_tidy(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    written = write_sweep_table(sweep)
    with (sweep / "sweep.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert {(row["cell"], row["seed"]) for row in rows} == {
        (cell, seed) for cell in ("none", "epsilon-4", "epsilon-1") for seed in "01"
    }
    one = next(
        row for row in rows
        if (row["cell"], row["seed"], row["metric"], row["column"]) == ("epsilon-1", "1", "win_rate_greedy", "own")
    )  # fmt: skip
    summary = json.loads((sweep / "epsilon-1-1" / "summary.json").read_text())
    assert float(one["value"]) == summary["utility"]["win_rate_greedy"]["own_persona"]
    assert [float(one["ci_low"]), float(one["ci_high"])] == summary["utility"]["win_rate_greedy"]["ci95"]
    assert (one["n"], one["unit"], one["epsilon_server"], one["run.epsilon"]) == (str(USERS), "user", "1.0", "1.0")
    assert (one["bytes_up"], one["wall_seconds"], one["peak_rss_bytes"]) == ("54000", "12.5", "600000000")
    none = next(row for row in rows if row["cell"] == "none")
    assert (none["unit"], none["epsilon_server"], none["run.epsilon"]) == ("none", "inf", "inf")
    other = next(row for row in rows if (row["metric"], row["column"]) == ("win_rate_greedy", "other"))
    assert float(other["ci_low"]) <= float(other["value"]) <= float(other["ci_high"])
    if len(written) == 2:
        parquet = pytest.importorskip("pyarrow.parquet").read_table(written[1]).to_pylist()
        assert len(parquet) == len(rows)
        assert [row["value"] for row in parquet] == [float(row["value"]) for row in rows]
