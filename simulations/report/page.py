"""A report as one HTML page: no script, no address, nothing to load. Everything that is put in is escaped."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import cast

from simulations.report.comparison import Comparison
from simulations.report.drawing import MARKS
from simulations.report.figure import DataTable, Details, ReportFigure, number
from simulations.report.sources import FinishedRun, Json, RunGroup, Source, slug

_WORDS = 12  # letters in a cell that make its column one of words
_STYLE_FILE = Path(__file__).parent / "page.css"
_DARK = {"--blue": "#6db6ff", "--vermilion": "#ff8a4c", "--green": "#35c796", "--purple": "#e6a0c8",
         "--orange": "#f5b731", "--sky": "#9fd8ff"}  # fmt: skip


def render_page(
    sources: Sequence[Source],
    figures: Sequence[ReportFigure],
    comparison: Comparison | None,
    *,
    command: str,
) -> str:
    """The page.

    Args:
        figures: in their order.
        command: that makes this page again.
    """
    groups = [group for source in sources for group in source.groups]
    names = ", ".join(group.name for group in groups[:3]) + (" and more" if len(groups) > 3 else "")
    parts = [
        f"<h1>What was learned, promised and spent</h1><p class='lead'>{_runs(sources)}</p>",
        _contents(figures, comparison),
        _section("promises", "What is promised", _promises(groups)),
    ]
    if comparison is not None:
        parts.append(_section("comparison", "Side by side", _comparison(comparison)))
    parts += [_section(figure.name, figure.title, _figure(figure, sources, command)) for figure in figures]
    examples = _examples(groups)
    if examples:
        parts.append(_section("examples", "One simulated person, before and after", examples))
    missing = _missing(groups, figures)
    if missing:
        parts.append(_section("missing", "Not in this report", missing))
    parts.append(_section("configurations", "Configurations", _configurations(groups)))
    light = "".join(f"{mark.variable}:{mark.colour};" for mark in MARKS)
    dark = "".join(f"{name}:{colour};" for name, colour in _DARK.items())
    style = _STYLE_FILE.read_text(encoding="utf-8").replace("/*light*/", light).replace("/*dark*/", dark)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">'
        '<link rel="icon" href="data:,">'
        f"<title>Tacit report: {escape(names)}</title><style>{style}</style></head>\n<body><main>"
        + "\n".join(parts)
        + "</main></body></html>\n"
    )


def _runs(sources: Sequence[Source]) -> str:
    runs = [run for source in sources for run in source.runs]
    settings = sum(len(source.groups) for source in sources)
    models = sorted({str(cast(Json, run.summary["model"])["name"]) for run in runs})
    data = sorted({str(cast(Json, run.summary["data"])["source"]) for run in runs})
    commits = sorted({str(run.summary.get("git_commit") or "an installed package")[:12] for run in runs})
    versions = sorted({str(run.summary["tacit_version"]) for run in runs})
    said = (
        f"{len(runs)} finished run{'s' * (len(runs) != 1)} of {settings} setting{'s' * (settings != 1)}; "
        f"model {', '.join(models)}; data: {', '.join(data)}; Tacit {', '.join(versions)}, commit {', '.join(commits)}."
    )
    if len(commits) > 1:
        said += " They are not of one commit: differences may be the code's."
    missing = [name for source in sources for name in source.missing]
    if missing:
        said += f" Not finished, and not here: {'; '.join(missing)}."
    if "embedded" in data or any(source.startswith("embedded") for source in data):
        said += (
            " The embedded world's users are simulated, and its rule scores replies: this says nothing about people."
        )
    return escape(said)


def _contents(figures: Sequence[ReportFigure], comparison: Comparison | None) -> str:
    titles = [("promises", "What is promised")]
    if comparison is not None:
        titles.append(("comparison", "Side by side"))
    titles += [(figure.name, figure.title) for figure in figures] + [("configurations", "Configurations")]
    links = "".join(f'<li><a href="#{escape(name)}">{escape(title)}</a></li>' for name, title in titles)
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


def _section(name: str, title: str, body: str) -> str:
    return f'<section id="{escape(name)}"><h2>{escape(title)}</h2>{body}</section>'


def _promises(groups: Sequence[RunGroup]) -> str:
    """Every guarantee in its own sentence; settings that promise the same stand together."""
    said: dict[str, list[str]] = {}
    for group in groups:
        privacy = cast("Mapping[str, Json | None]", group.first.summary["privacy"])
        stated = [part for part in (privacy.get("user"), privacy.get("pair")) if part is not None]
        for part in stated:
            said.setdefault(str(part["sentence"]), []).append(group.name)
        if not stated:
            masked = group.first.config.get("federation.aggregation") == "secure"
            nothing = "Nothing: no noise is added, so an update can tell something about its device's pairs" + (
                ", though under masks the server sees sums alone." if masked else "."
            )
            said.setdefault(nothing, []).append(group.name)
    items = "".join(
        f"<dt>{escape(', '.join(names))}</dt><dd>{escape(sentence)}</dd>" for sentence, names in said.items()
    )
    return f"<dl>{items}</dl>"


def _figure(figure: ReportFigure, sources: Sequence[Source], command: str) -> str:
    picture = ""
    if figure.drawn is not None:
        picture = (
            f'<div class="plot" role="img" aria-label="{escape(figure.title)}: {escape(figure.says)} '
            f'The table below has its numbers.">{figure.drawn.inline}</div>'
        )
    return (
        f"<figure>{picture}<figcaption>{escape(figure.says)}</figcaption></figure>"
        f"{_table(figure.table, figure.title)}{''.join(map(_folded, figure.details))}"
        f"{_again(figure.groups, sources, command)}"
    )


def _folded(details: Details) -> str:
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in details.lines)
    return f'<details class="small"><summary>{escape(details.title)}</summary><dl>{lines}</dl></details>'


def _table(table: DataTable, caption: str) -> str:
    # Words to the left, numbers to the right, column by column.
    wordy = [
        place == 0 or any(sum(letter.isalpha() for letter in row[place]) > _WORDS for row in table.rows)
        for place in range(len(table.headings))
    ]
    looks = [' class="words"' if is_wordy else "" for is_wordy in wordy]
    head = "".join(
        f'<th scope="col"{look}>{escape(name)}</th>' for name, look in zip(table.headings, looks, strict=True)
    )
    rows = "".join(
        f'<tr><th scope="row" class="words">{escape(row[0])}</th>'
        + "".join(f"<td{look}>{_cell(cell)}</td>" for cell, look in zip(row[1:], looks[1:], strict=True))
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Data of: {escape(caption)}"><table>'
        f"<caption>{escape(caption)}: the numbers</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return f"<strong>{escape(text)}</strong>" if text in ("exceeds noise", "violated") else escape(text)


def _again(groups: Sequence[RunGroup], sources: Sequence[Source], command: str) -> str:
    shown = [source for source in sources if any(group in source.groups for group in groups)]
    commands = "\n".join(dict.fromkeys([*(source.command for source in shown), command]))
    links = ", ".join(f'<a href="#{_anchor(group, sources)}">{escape(group.name)}</a>' for group in groups)
    return (
        "<details><summary>How to make this again</summary>"
        f"<pre>{escape(commands)}</pre><p>Configurations: {links}</p></details>"
    )


def _anchor(group: RunGroup, sources: Sequence[Source]) -> str:
    groups = [one for source in sources for one in source.groups]
    return f"config-{slug(group.name)}-{groups.index(group)}"


def _configurations(groups: Sequence[RunGroup]) -> str:
    parts = []
    for place, group in enumerate(groups):
        run = group.first
        seeds = ", ".join(str(one.seed) for one in group.runs)
        again = shlex.join(["tacit-sim", "run", "--config", str(run.path / "config.toml"), "--out", "runs/again"])
        parts.append(
            f'<details id="config-{slug(group.name)}-{place}"><summary>{escape(group.name)} '
            f"(seed{'s' * (len(group.runs) > 1)} {seeds})</summary>"
            f"<p>The run of seed {run.seed} by itself:</p><pre>{escape(again)}</pre>"
            "<p>Other seeds differ in their seeds alone. config.toml:</p>"
            f"<pre>{escape(run.config_text)}</pre></details>"
        )
    return "".join(parts)


def _missing(groups: Sequence[RunGroup], figures: Sequence[ReportFigure]) -> str:
    """What these runs do not hold, and how to have it."""
    there = {figure.name for figure in figures}
    simulated = all(group.first.config.get("data.source") == "embedded" for group in groups)
    said = []
    if "frontier" not in there:
        said.append("The frontier of privacy and utility: it takes a setting with ε, and another to compare it with.")
    if "rounds" not in there and simulated:
        said.append("Win rates by round: run with --set evaluation.by-round=40.")
    if "people" not in there:
        said.append("People one by one: nothing was measured, or by an earlier version that did not keep it.")
    if "audits" not in there:
        said.append("Audits: attack a run with `tacit-sim audit RUN`.")
    if not any(group.first.baselines for group in groups):
        said.append("Baselines: measure them beside a run with `tacit-sim baselines RUN`.")
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in said)}</ul>" if said else ""


def _examples(groups: Sequence[RunGroup]) -> str:
    """Of simulated users alone: recorded people's words are in no summary, and would not be shown if they were."""
    parts: list[str] = []
    for group in groups:
        found = _one_example(group.first)
        if found is not None and len(parts) < 3:
            question, persona, base, tuned = found
            parts.append(
                f'<h3>{escape(group.name)}</h3><dl class="example"><dt>persona</dt><dd>{escape(persona)}</dd>'
                f"<dt>asks</dt><dd>{escape(question)}</dd><dt>before</dt><dd class='said'>{escape(base)}</dd>"
                f"<dt>after</dt><dd class='said'>{escape(tuned)}</dd></dl>"
            )
    if not parts:
        return ""
    return "<p>A held-out user of the embedded world, the first whose greedy reply changed.</p>" + "".join(parts)


def _one_example(run: FinishedRun) -> tuple[str, str, str, str] | None:
    if run.config.get("data.source") != "embedded":
        return None
    found: object = run.summary.get("details")
    for key in ("replies", "examples"):
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, list) or not found:
        return None
    question, persona, base, tuned = (str(part) for part in found[0])
    return question, persona, base, tuned


def _comparison(found: Comparison) -> str:
    one, other = found.names
    count = len(found.differences)
    rows = tuple(
        (
            difference.setting,
            difference.figure,
            number(difference.first, 3),
            number(difference.second, 3),
            f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]",
            difference.verdict,
            ", ".join(f"{value:+.3f}" for value in difference.by_seed),
            "the same users" if difference.paired else "other users",
            f"{difference.users:,}",
            " and ".join(map(str, dict.fromkeys(difference.seeds))),
        )
        for difference in found.differences
    )
    table = DataTable(
        headings=("setting", "figure", f"A: {one}", f"B: {other}", "B - A", "verdict", "by seed", "drawn", "users",
                  "seeds"),
        rows=rows,
    )  # fmt: skip
    confidence = 100 * found.differences[0].confidence
    exceeding = [row for row in rows if row[5] == "exceeds noise"]
    said = (
        f"A is {one}, B is {other}. {len(exceeding)} of {count} differences exceed noise. Each interval is at "
        f"{confidence:.2f} %, so that all {count} together hold with 95 % (Bonferroni); users are resampled within "
        "seeds, together where both asked the same ones. Other seeds are not covered: runs of different seeds may "
        "differ by more than this."
    )
    if found.only:
        said += f" One side alone has {', '.join(found.only)}."
    changed = DataTable(headings=("setting", "key", f"A: {one}", f"B: {other}"), rows=found.settings)
    settings = _table(changed, "Settings that differ") if found.settings else "<p>The settings are the same.</p>"
    return f"<p>{escape(said)}</p>{_table(table, 'Differences')}{settings}"
