"""A run's summary as tables that a newcomer understands. Everything shown is read from `summary.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_Json = Mapping[str, object]

_RIVALS = (
    ("longer", "the longer reply was chosen"),
    ("base_per_token", "base model, log-probability per token"),
    ("base_summed", "base model, log-probability"),
    ("local", "trained alone, on the user's own pairs"),
    ("federated", "trained together, without them"),
)


def summary_view(summary: _Json) -> RenderableType:
    """What was learned, what left each device, and what is promised."""
    utility = _part(summary, "utility")
    parts: list[RenderableType] = []
    if "win_rate_greedy" in utility:
        parts.append(_persona_table(summary, utility))
        parts += _examples(summary)
    elif "pair_accuracy" in utility:
        parts.append(_accuracy_table(summary, utility))
    else:
        parts.append(Text(f"Nothing was measured: {summary.get('not_measured')}"))
    parts.append(_cost_table(summary))
    return Group(*parts)


def _persona_table(summary: _Json, utility: _Json) -> RenderableType:
    tested = _part(summary, "data")["users_test"]
    table = Table(title=f"{tested} simulated users that training never saw, asking new questions", title_justify="left")
    table.add_column("", no_wrap=True)
    for name in ("base", "tuned,\nown persona", "tuned,\nno persona", "tuned,\nother's persona"):
        table.add_column(name, justify="right", no_wrap=True)
    rows = (
        ("beats the base's reply", "win_rate_greedy", _percent),
        ("... who trained, too", "win_rate_greedy_seen_users", _percent),
        ("... strangers", "win_rate_greedy_strangers", _percent),
        ("style as wanted, of 4", "style_fit_greedy", _two_digits),
        ("of the worst tenth", "style_fit_worst_decile_greedy", _two_digits),
        ("makes sense", "coherent_greedy", _percent),
        ("tells which was chosen", "pair_accuracy", _percent),
        ("beats it, sampled", "win_rate_sampled", _percent),
    )
    replies = _part(_part(summary, "details"), "replies")
    for label, metric, shown in rows:
        if metric in utility:
            found = _part(utility, metric)
            cells = [shown(found[key]) for key in ("tuned", "no_persona", "other_persona")]
            if isinstance(found["ci95"], list):
                cells[0] += f"\n[{shown(found['ci95'][0])}, {shown(found['ci95'][1])}]"
            if metric == "win_rate_greedy":
                for place, condition in ((1, "none"), (2, "other")):
                    win = _greedy_win(replies, condition)
                    cells[place] += f"\n[{shown(win['low'])}, {shown(win['high'])}]"
            base = "" if metric.startswith("win_rate") else shown(found["base"])
            table.add_row(label, base, *cells)
    gain = _part(utility, "own_minus_other_win_rate_greedy")
    low, high = cast("list[float]", gain["ci95"])
    note = (
        "Wins count a tie as half, so 50% is no better than the base model; brackets are 95% intervals over users. "
        f"Personal gain, own minus other's: {_points(gain['tuned'])} points [{_points(low)}, {_points(high)}]: a win "
        "under one's own persona that is not there under another's is personalization. The scorer is the simulated "
        "world's own rule: this says nothing about people."
    )
    if "win_rate_greedy_strangers" in utility:
        note += (
            " Strangers are like those who trained, and were never in the federation; half of the held-out users word "
            "their personas as nobody did before."
        )
    if "win_rate_greedy_personal_of_newcomers" in utility:
        shared, own = (_part(utility, f"win_rate_greedy_{part}_of_newcomers") for part in ("shared", "personal"))
        personal = _part(_part(summary, "details"), "personal")
        note += (
            f" {personal['users']} newcomers win {_percent(shared['tuned'])} with what was released, and "
            f"{_percent(own['tuned'])} with an adapter of their own on top, trained on {personal['pairs']} pairs each."
        )
    if "style_fit_worst_decile_greedy" in utility:
        note += " The worst tenth are the users whose style a model meets worst, each model's own."
    return Group(table, Text(note, style="dim"))


def _accuracy_table(summary: _Json, utility: _Json) -> RenderableType:
    details = _part(_part(summary, "details"), "pair_accuracy")
    accuracy, differences = _part(details, "accuracy"), _part(details, "differences")
    table = Table(
        title=f"{details['votes']} held-out pairs of {_part(summary, 'data')['users_test']} people: how often the "
        "chosen reply is told from the rejected one",
        title_justify="left",
    )
    table.add_column("told by")
    table.add_column("pairs told right", justify="right")
    table.add_column("trained together gains over it", justify="right")
    for method, label in _RIVALS:
        if method in accuracy:
            gain = ""
            if method in differences:
                gain = f"{_points(_part(differences, method)['value'])} points {_range(differences, method, _points)}"
            own = f"{_percent(_part(accuracy, method)['value'])} {_range(accuracy, method, _percent)}"
            table.add_row(label, own, gain)
    note = (
        f"Brackets are 95% intervals over people; each pair was tested by one of {details['folds']} federations that "
        "had seen neither its user nor its question. The adapter of this run, which saw everybody, is not tested. A "
        f"judge who does not know whose pair it is could reach at most {_percent(details['impersonal_ceiling'])}."
    )
    if "pair_accuracy_worst_decile" in utility:
        worst = _part(utility, "pair_accuracy_worst_decile")
        note += (
            f" Of the tenth of people for whom it does worst, training together tells {_percent(worst['tuned'])} of "
            f"the pairs right; the base model, of its own worst tenth, {_percent(worst['base'])}."
        )
    if details["votes_left"]:
        note += f" {details['votes_left']} pairs were not tested."
    if details["completions_cut"]:
        note += (
            f" {details['completions_cut']} pairs had a reply cut to the token limit, which only the rule about length "
            "sees whole."
        )
    if details["without_own_training"]:
        note += (
            f" {details['without_own_training']} pairs are of people with no pairs about other questions: a tie for "
            "training alone."
        )
    return Group(table, Text(note, style="dim"))


def _examples(summary: _Json) -> list[RenderableType]:
    replies = _part(_part(summary, "details"), "replies")
    shown: list[RenderableType] = []
    for question, persona, base, tuned in cast("list[list[str]]", replies["examples"])[:1]:
        grid = Table.grid(padding=(0, 2))
        for label, words in (("asks", question), ("persona", persona), ("base", base), ("tuned", tuned)):
            grid.add_row(Text(label, style="bold"), Text(words))
        shown.append(Panel(grid, title="one simulated user", title_align="left"))
    return shown


def _cost_table(summary: _Json) -> RenderableType:
    federation, model, cost = (_part(summary, name) for name in ("federation", "model", "cost"))
    promised = [part for part in (_part(summary, "privacy")[unit] for unit in ("user", "pair")) if part is not None]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    share = cast(int, federation["shared_parameters"]) / cast(int, model["parameters"])
    table.add_row(
        "leaves a device",
        f"{federation['shared_parameters']:,} numbers a round ({share:.1%} of the model), "
        f"{_size(federation['bytes_up_per_device_round'])}; pairs, personas and conversations stay",
    )
    for part in promised:
        table.add_row("promise", str(cast(_Json, part)["sentence"]))
    if not promised:
        table.add_row(
            "promise", "none: this run adds no noise, so an update can tell something about its device's pairs"
        )
    noise = cast(float, _part(summary, "privacy")["noise_norm_over_clipping"])
    if noise:
        table.add_row(
            "noise",
            f"on each round's mean update {noise:.2f} times as long as the longest update of one device "
            "(a cohort's own signal is 0.1 to 0.2 as long)",
        )
    without = cast(int, federation["replies_without_pairs"])
    idle = f"{without} times a device had no pairs; " if without else ""
    table.add_row(
        "rounds",
        f"{federation['rounds']}, of {federation['cohort']} devices each, {federation['method']}; {idle}"
        f"{summary['dropouts']} dropouts, {summary['refused']} replies refused",
    )
    newcomer = federation.get("newcomer", "the shared adapter")
    if newcomer != "the shared adapter":
        table.add_row("a newcomer gets", str(newcomer))
    attack = summary.get("attack")
    if attack is not None:
        table.add_row("attack", _attack_line(cast(_Json, attack), _part(summary, "data")["users_train"]))
    seconds = cost["device_seconds_median"]
    device = f", {seconds:.2f} s on a device" if isinstance(seconds, float) else ""
    resumed = cost["resumed_after_round"]
    since = "in all" if resumed is None else f"since it was resumed after round {resumed}"
    table.add_row("time", f"{cost['wall_seconds']:.0f} s {since}{device}")
    return table


def _attack_line(attack: _Json, devices: object) -> str:
    line = f"{attack['kind']} by {attack['devices']} of {devices} devices; {attack['refused']} of their replies refused"
    reasons = [f"{count} times {reason!r}" for reason, count in _part(attack, "reasons").items()]
    if reasons:
        line += f" ({', '.join(reasons)})"
    if attack["refused_of_honest"]:
        line += f"; and {attack['refused_of_honest']} of honest devices"
    success = attack.get("success")
    if success is not None:
        tuned, base, plain = (_part(cast(_Json, success), key) for key in ("tuned", "base", "tuned_untriggered"))
        line += (
            f"; with the trigger {_percent(tuned['value'])} [{_percent(tuned['low'])}, {_percent(tuned['high'])}] of "
            f"replies begin as the attacker wants (base model {_percent(base['value'])}, without the trigger "
            f"{_percent(plain['value'])})"
        )
    return line


def _greedy_win(replies: _Json, condition: str) -> _Json:
    results = cast("list[_Json]", replies["results"])
    found = next(one for one in results if one["condition"] == condition and one["temperature"] == 0)
    return _part(found, "win")


def _part(values: _Json, key: str) -> _Json:
    return cast(_Json, values[key])


def _range(values: _Json, key: str, shown: Callable[[object], str]) -> str:
    found = _part(values, key)

    return f"[{shown(found['low'])}, {shown(found['high'])}]"


def _percent(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, int | float) else ""


def _points(value: object) -> str:
    return f"{100 * value:+.0f}" if isinstance(value, int | float) else ""


def _two_digits(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else ""


def _size(value: object) -> str:
    return f"{cast(int, value) / 1000:,.0f} kB"
