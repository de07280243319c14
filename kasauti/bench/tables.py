"""The benchmark's JSON as tables, for a terminal and for Markdown; nothing is measured here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MISSING = "not installed"


@dataclass(frozen=True)
class Table:
    """A titled table; a column named ``>…`` holds numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables_of(report: Mapping[str, Any]) -> tuple[Table, ...]:
    """Return the tables of what ``kasauti bench --json`` printed."""
    execution = (_execution(report["execution"]),) if "execution" in report else ()
    return (*(_engine(report) if "population" in report else ()), *execution)


def _engine(report: Mapping[str, Any]) -> tuple[Table, ...]:
    chains = (report["population"], report["intraday"])
    return (
        *map(_chain, chains),
        _parts(report["parts"]),
        _expressions(report),
        _growth(report, "strategies"),
        _growth(report, "bars"),
        _memory(report),
        _search(report["search"]),
        _floor(report),
    )


def sentence_of(report: Mapping[str, Any]) -> str:
    """Return the one figure that a user cares about, in a sentence."""
    population = report["population"]
    machine = report["machine"]
    rust = population["ratio_rust"]
    rivals = [f"{_times(population['ratio_numba'])} vectorbt with numba"]
    if rust is not None:
        rivals.insert(0, f"{_times(rust)} vectorbt with its rust engine")
    return (
        f"{_count(population['kasauti_per_s'])} strategies a second over "
        f"{_count(population['bars'])} daily bars on {machine['cores']} cores: "
        f"{' and '.join(rivals)}, {_count(population['compared_trades'])} trades compared and "
        f"{_count(population['differing_genomes'])} strategies that differ."
    )


def machine_of(report: Mapping[str, Any]) -> str:
    """Return what it was measured on, in a line."""
    machine = report["machine"]
    packages = ", ".join(f"{name} {one}" for name, one in machine["packages"].items() if one)
    quick = "; a quick look, not a measurement" if report["quick"] else ""
    seed = f"seed {report['seed']}, " if "seed" in report else ""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}, {packages}; {seed}"
        f"{report['seconds']:.0f} s{quick}"
    )


def to_markdown(report: Mapping[str, Any]) -> str:
    """Return everything as Markdown, the same for the same JSON."""
    parts = [sentence_of(report), f"*{machine_of(report)}.*"]
    parts += [f"**{one.title}**\n\n{_markdown(one)}" for one in tables_of(report)]
    return "\n\n".join((*parts, *report["notes"])) + "\n"


def execution_markdown(report: Mapping[str, Any]) -> str:
    """Return the table of execution as Markdown."""
    table = _execution(report["execution"])
    return f"*{machine_of(report)}*\n\n**{table.title}**\n\n{_markdown(table)}\n"


def _markdown(table: Table) -> str:
    heads = [name.removeprefix(">") or " " for name in table.columns]
    rules = ["---:" if name.startswith(">") else "---" for name in table.columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rules, *table.rows))


def _chain(found: Mapping[str, Any]) -> Table:
    micro = found["microseconds"]

    def rivals() -> Iterator[tuple[str, ...]]:
        yield _row("Kasauti, two threads", found["kasauti_per_s"], micro["engine"], 1.0)
        speed = found["kasauti_one_worker_per_s"]
        yield _row("Kasauti, one thread", speed, micro["one"], found["kasauti_per_s"] / speed)
        for engine in ("rust", "numba"):
            for key, words in (("", "its own metrics"), ("_numpy", "metrics by numpy")):
                name = f"DEAP + numpy + vectorbt {engine}, {words}"
                speed = found[f"vectorbt_{engine}{key}_per_s"]
                if speed is None:
                    yield (name, MISSING, "", "")
                else:
                    ratio = found[f"ratio_{engine}{key}"]
                    yield _row(name, speed, micro[f"{engine}{key}"], ratio)

    title = (
        f"{_count(found['strategies'])} strategies on {_count(found['bars'])} bars of "
        f"{found['market']}: {found['mean_nodes']:.1f} nodes, {found['mean_trades']:.0f} trades "
        f"and {found['exposure']:.0%} of the bars in the market on average; the rivals run "
        f"{_count(found['compared'])} of them; {_count(found['differing_genomes'])} strategies "
        f"differ, largest relative difference of a figure {found['max_relative_difference']:.0e}"
    )
    return Table(title, ("whole chain", ">strategies/s", ">µs a strategy", ">ratio"), [*rivals()])


def _row(name: str, per_s: float, micro: float, ratio: float) -> tuple[str, ...]:
    return (name, _count(per_s), f"{micro:,.1f}", f"{ratio:,.1f}")


def _parts(parts: Mapping[str, Any]) -> Table:
    named = {
        "graph: equal sub-expressions become one node": parts["graph_us"],
        "rules: planned and evaluated": parts["rules_us"],
        "passes: trades and figures": parts["passes_us"],
    }
    whole = sum(named.values())
    rows = [(name, f"{spent:.1f}", f"{spent / whole:.0%}") for name, spent in named.items()]
    title = (
        f"Where a strategy's time goes, one thread, {parts['strategies']:,} strategies at once; "
        f"{parts['nodes']:.1f} unique nodes each"
    )
    return Table(title, ("part", ">µs", ">share"), rows)


def _expressions(report: Mapping[str, Any]) -> Table:
    found = report["expressions"]
    rows = [
        ("Kasauti", _billions(found["kasauti_node_evals_per_s"]), "1.0"),
        (
            "DEAP compile + numpy",
            _billions(found["deap_numpy_node_evals_per_s"]),
            f"{found['ratio']:,.1f}",
        ),
    ]
    return Table("Expressions alone", ("", ">billion node evaluations/s", ">ratio"), rows)


def _growth(report: Mapping[str, Any], over: str) -> Table:
    rows = [
        (
            _count(one["strategies"]),
            _count(one["bars"]),
            f"{one['seconds']:.3f}",
            _count(one["strategies_per_s"]),
            f"{one['bars_per_s'] / 1e6:,.0f}",
            "" if one["ratio_to_linear"] is None else f"{one['ratio_to_linear']:.2f}",
        )
        for one in report["growth"]
        if one["over"] == over
    ]
    columns = (">strategies", ">bars", ">seconds", ">strategies/s", ">million bars/s", ">to linear")
    return Table(f"Growth with {over}", columns, rows)


def _memory(report: Mapping[str, Any]) -> Table:
    rows = [
        (
            _count(one["strategies"]),
            f"{one['imports_mb']:.0f}",
            f"{one['population_mb']:.0f}",
            f"{one['scored_mb']:.0f}",
        )
        for one in report["memory"]
    ]
    columns = (">strategies", ">imports, MB", ">and bars and population", ">peak with scoring")
    return Table("Peak memory of a process, on the daily bars", columns, rows)


def _search(found: Mapping[str, Any]) -> Table:
    parts = ("evaluation", "breeding", "selection", "register", "other")
    rows = [
        (
            name,
            f"{found[f'{name}_s']:.3f}",
            f"{1e3 * found[f'{name}_s'] / found['generations']:.1f}",
        )
        for name in parts
    ]
    bookkeeping = found["bookkeeping_a_generation_s"]
    rows.append(("all but evaluation", "", f"{1e3 * bookkeeping:.1f}"))
    title = f"A search of {found['generations']} generations of {_count(found['generation'])}"
    return Table(title, ("", ">seconds", ">ms a generation"), rows)


def _floor(report: Mapping[str, Any]) -> Table:
    chains = {"daily": report["population"], "intraday": report["intraday"]}
    rows = [
        (
            name,
            _count(one["bars"]),
            f"{one['signals_given_us']:,.1f}",
            f"{one['signals_computed_us']:,.1f}",
            f"{chains[name]['microseconds']['one']:,.1f}",
        )
        for name, one in report["floor"].items()
    ]
    columns = ("", ">bars", ">signals given", ">signals computed", ">engine, mean strategy")
    return Table("One simple strategy by hand in numba, one thread, µs", columns, rows)


def _execution(found: Mapping[str, Any]) -> Table:
    budgets = found["budgets"]

    def ledgers() -> Iterator[tuple[str, ...]]:
        for key, name in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
            one = found[key]
            if one is None:
                yield (name, MISSING, "", "", "")
                continue
            budget = _milliseconds(budgets["decision_p99_s"][key])
            yield _spent(f"{name}: gate decision and commit", one["decision"], budget)
            yield _spent(f"{name}: commit of an intent", one["append"], budget)
            full = one["saturated"]
            whole = "chain whole" if full["is_whole"] else "CHAIN BROKEN"
            lost = f"{_count(full['appended'] - full['found'])} lost, {whole}"
            speed = f"saturated, {_count(full['per_second'])}/s, {lost}"
            yield _spent(f"{name}: {speed}", full, "none lost")

    rebuild, fsync = found["rebuild"], found["fsync"]
    rows = [
        _spent("the disk alone: 4 kB and fsync", fsync, ""),
        *ledgers(),
        _spent("intent to outcome", found["outcome"], _milliseconds(budgets["outcome_p99_s"])),
        _spent("takeover after SIGKILL", found["takeover"], _milliseconds(budgets["takeover_s"])),
    ]
    allowed = budgets["rebuild_s_per_million_events"] * rebuild["events"] / 1e6
    title = (
        "Execution, milliseconds; 8 processes want 5 orders a second each. A book of "
        f"{_count(rebuild['events'])} events is rebuilt in {rebuild['book']:.1f} s (budget "
        f"{allowed:g} s), and its chain verified in {rebuild['verification']:.1f} s"
    )
    return Table(title, ("", ">count", ">median", ">p99", ">budget of p99"), rows)


def _spent(name: str, times: Mapping[str, Any], budget: str) -> tuple[str, ...]:
    counted = next(times[key] for key in ("count", "appended", "writes") if key in times)
    return (
        name,
        _count(counted),
        _milliseconds(times["median"]),
        _milliseconds(times["p99"]),
        budget,
    )


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:,.1f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:,.1f} times"


def _billions(value: float) -> str:
    return f"{value / 1e9:,.2f}"
