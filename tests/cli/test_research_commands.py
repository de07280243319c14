"""backtest, evolve, judge, ingest and sql as a trader calls them, on real bars."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kasauti.genome import load_genome
from kasauti.home import Home
from kasauti.show import PARTS
from kasauti.validation.records import RecordBook
from tests.cli.conftest import GENES, Run, written
from tests.shared_data import NSE_INDEX, NSE_INTRADAY, NSE_STOCKS

INDEX = ("--bars", NSE_INDEX, "--index", "NIFTY50")
TRADE = {
    *("symbol", "side", "quantity", "entry_time", "entry_price"),
    *("exit_time", "exit_price", "reason"),
}
METRICS = {
    *("total_return", "cagr", "sharpe", "sortino", "max_drawdown"),
    *("trades", "win_rate", "exposure", "charges"),
}
GATES = [
    *("causality", "walk_forward", "regimes", "stress"),
    *("statistics", "testers", "second_opinion", "sealed"),
]


def looks(home: Home) -> list[dict[str, Any]]:
    return [dict(record.body) for record in RecordBook(home.vault / "vault.sqlite").find("look")]


# -- backtest ------------------------------------------------------------------------------------


def test_backtest_gives_trades_and_metrics(run: Run, genome: Path) -> None:
    costless = ("--capital", 100_000, "--charges", "none", "--slippage", "none")
    told = run("backtest", *INDEX, "--genome", genome, *costless, "--json")
    assert told.code == 0
    result = told.json
    assert result["genome"] == load_genome(genome).hash
    assert {"genome", "trades", "metrics"} <= set(result)
    assert set(result["metrics"]) == METRICS
    assert all(set(trade) == TRADE for trade in result["trades"])
    assert result["metrics"]["trades"] == len(result["trades"]) > 50
    assert result["metrics"]["charges"] == 0
    gained = sum(
        trade["quantity"] * (trade["exit_price"] - trade["entry_price"])
        for trade in result["trades"]
    ) + sum(position["profit"] for position in result["open"])
    accounts = 2 * 100_000  # NIFTY50 and BANKNIFTY; INDIAVIX is a series, not a symbol
    assert result["metrics"]["total_return"] == pytest.approx(gained / accounts)


def test_costs_cost(run: Run, genome: Path) -> None:
    def profit(*options: str) -> float:
        result = run("backtest", *INDEX, "--genome", genome, *options, "--json").json
        return float(result["metrics"]["total_return"])

    free = profit("--charges", "none", "--slippage", "none")
    assert free > profit("--charges", "none")
    assert free > profit("--slippage", "none") > profit()


def test_the_look_is_recorded_up_to_the_last_bar_seen(run: Run, home: Home, genome: Path) -> None:
    told = run("backtest", *INDEX, "--genome", genome, "--until", "2010-12-31", "--json")
    assert "The look is recorded: bars up to 2010-12-31" in told.err
    assert [look["last"] for look in looks(home)] == ["2010-12-31"]
    run("backtest", *INDEX, "--genome", genome, "--json")
    run("backtest", *INDEX, "--genome", genome, "--json")
    assert [look["last"] for look in looks(home)] == ["2010-12-31", "2022-08-26"]


@pytest.mark.parametrize("folder", [NSE_STOCKS, NSE_INTRADAY], ids=["618 days", "375 bars"])
def test_what_cannot_be_judged_cannot_be_spoilt(
    run: Run, home: Home, genome: Path, folder: Path
) -> None:
    told = run("backtest", "--bars", folder, "--genome", genome, "--json")
    assert told.code == 0
    assert told.json["metrics"]["trades"] > 0
    assert "recorded" not in told.err
    assert not looks(home)


def test_intraday_trades_carry_the_time_of_day(run: Run, genome: Path) -> None:
    told = run(
        *("backtest", "--bars", NSE_INTRADAY, "--index", "NIFTY50"), "--genome", genome, "--json"
    )
    times = [trade["entry_time"] for trade in told.json["trades"]]
    assert times
    assert all("09:15:00" <= moment[11:] <= "15:30:00" for moment in times), "exchange time"


def test_a_refused_strategy_leaves_no_look(run: Run, home: Home, tmp_path: Path) -> None:
    short = written(tmp_path / "short.toml", GENES.replace('"long"', '"short"'))
    told = run("backtest", *INDEX, "--genome", short)
    assert told.code == 2
    assert "does not let a short be held overnight" in told.complaint
    assert not looks(home)
    assert run("backtest", "--bars", NSE_INTRADAY, "--genome", short, "--json").code == 0


def test_survivorship_is_said_beside_the_result(run: Run, genome: Path) -> None:
    notes = run("backtest", "--bars", NSE_STOCKS, "--genome", genome, "--json").json["notes"]
    assert any("survivorship bias" in note for note in notes)


def test_for_a_person(run: Run, genome: Path) -> None:
    told = run("backtest", "--bars", NSE_INTRADAY, "--genome", genome)
    assert told.code == 0
    for words in ("Backtest of", "Sharpe ratio", "charges", "trades"):
        assert words in told.out
    assert "and 11 more files: the stamps name no zone" in told.err, "once, not once a file"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.toml", 'entry = "close', "a.toml: is no valid TOML"),
        ("a.json", "{", "a.json: is no valid JSON"),
        ("a.txt", GENES, "expected a file named *.toml or *.json"),
        ("a.toml", GENES.replace("ema(close, 12)", "ema(closee, 12)"), "'closee' is not"),
        ("a.toml", GENES.replace("stop =", "stopp ="), "did you mean stop?"),
        ("a.toml", GENES.replace("0.01", "7"), "risk: "),
    ],
    ids=["TOML", "JSON", "suffix", "expression", "misspelt gene", "risk"],
)
def test_a_bad_genome_is_named_with_its_place(
    run: Run, tmp_path: Path, name: str, text: str, says: str
) -> None:
    told = run("backtest", "--genome", written(tmp_path / name, text))
    assert told.code == 2
    assert says in told.complaint
    assert str(tmp_path / name) in told.complaint


def test_the_position_in_an_expression_is_the_one_of_the_error(run: Run, tmp_path: Path) -> None:
    text = GENES.replace('exit = "close < sma(close, 50)"', 'exit = "close < smaa(close, 50)"')
    told = run("backtest", "--genome", written(tmp_path / "a.toml", text))
    assert "a.toml: exit: at position 8:" in told.complaint


def test_toml_and_json_are_the_same_genome(run: Run, tmp_path: Path, genome: Path) -> None:
    genes = load_genome(genome).to_genes()
    same = written(tmp_path / "same.json", json.dumps(genes))
    shown = [
        run("backtest", "--bars", NSE_INTRADAY, "--genome", file, "--json").json
        for file in (genome, same)
    ]
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--bars", "{empty}"), "no CSV or Parquet file in empty"),
        (("--bars", NSE_INDEX, "--index", "NIFTY"), "no market index 'NIFTY'; there are BANK"),
        (("--bars", "sample", "--bars", NSE_INDEX), "cannot be joined with folders"),
        (("--bars", NSE_INDEX, "--bars", NSE_INDEX), "is there twice"),
        (("--bars", NSE_INDEX, "--market", "bse"), "no market 'bse'"),
        (("--capital", "0"), "0.0 is not in the range x>=1"),
        (("--capital", "nan"), "the capital is nan"),
        (("--bars", NSE_INDEX, "--until", "1990-01-01"), "no bars until 1990-01-01"),
        (("--until", "yesterday"), "'yesterday' does not match"),
    ],
    ids=["empty", "index", "sample", "twice", "market", "no capital", "nan", "until", "no date"],
)
def test_bad_input_says_what_to_mend(
    run: Run, tmp_path: Path, genome: Path, options: tuple[str | Path, ...], says: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    given = [str(option).format(empty=empty) for option in options]
    told = run("backtest", "--genome", genome, *given, "--json")
    assert told.code == 2
    assert says in told.complaint


# -- evolve --------------------------------------------------------------------------------------

SMALL = ("--seed", 7, "--evaluations", 120, "--population", 40)


def without_seconds(result: dict[str, Any]) -> dict[str, Any]:
    history = [{k: v for k, v in step.items() if k != "seconds"} for step in result["history"]]
    return {**result, "seconds": None, "seconds_by_part": None, "history": history}


def test_the_same_seed_finds_the_same_whatever_the_workers(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for workers in (1, 2):
        monkeypatch.setenv("KASAUTI_HOME", str(tmp_path / f"home {workers}"))
        told = run("evolve", *INDEX, *SMALL, "--workers", workers, "--json")
        assert told.code == 0
        found.append(told.json)
    again = run("evolve", *INDEX, *SMALL, "--json").json
    assert again == found[1], "the same search in the same home is recalled, seconds and all"
    first, second = map(without_seconds, found)
    assert first == second
    assert first["evaluations"] == 120
    assert first["front"]
    assert all(set(one) == {"hash", "genome", "fitness"} for one in first["front"])


def test_what_evolve_saves_judge_and_backtest_read(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "front"
    told = run("evolve", "--bars", NSE_STOCKS, *SMALL, "--save", folder, "--json")
    front = {one["hash"] for one in told.json["front"]}
    assert {load_genome(file).hash for file in folder.iterdir()} == front
    shown = run("evolve", "--bars", NSE_STOCKS, *SMALL).out
    assert "120 strategies tried" in shown
    assert all(part in shown for part in PARTS.values())
    parts = told.json["seconds_by_part"]
    assert parts.keys() == PARTS.keys()
    assert sum(parts.values()) == pytest.approx(told.json["seconds"])
    assert "kasauti judge" in shown


def test_a_place_that_cannot_be_written_is_found_before_the_search(
    run: Run, tmp_path: Path, genome: Path
) -> None:
    told = run("evolve", *SMALL, "--save", genome / "front")
    assert told.code == 2
    assert "cannot be made: Not a directory" in told.complaint


# -- judge ---------------------------------------------------------------------------------------


def test_judge_says_no_with_every_gate(run: Run, genome: Path, tmp_path: Path) -> None:
    told = run("judge", *INDEX, "--genome", genome, "--who", "a test", "--json")
    assert told.code == 1, told.err
    verdict = told.json
    assert verdict["approved"] is False
    assert [gate["name"] for gate in verdict["gates"]] == GATES
    assert all(set(gate) == {"name", "passed", "reason", "figures"} for gate in verdict["gates"])
    assert all(gate["reason"] for gate in verdict["gates"])


def test_too_few_bars_are_no_verdict(run: Run, genome: Path) -> None:
    told = run("judge", "--bars", NSE_STOCKS, "--genome", genome, "--json")
    assert told.code == 2
    assert "618 bars, a verdict needs at least 1,000" in told.complaint


def test_several_folders_are_one_panel(run: Run, genome: Path, tmp_path: Path) -> None:
    folders: list[str | Path] = []
    for symbol in ("NIFTY50", "BANKNIFTY"):
        folder = tmp_path / symbol
        folder.mkdir()
        shutil.copy(NSE_INDEX / f"{symbol}.csv", folder)
        folders += ["--bars", folder]
    told = run("backtest", *folders, "--index", "NIFTY50", "--genome", genome, "--json")
    assert {trade["symbol"] for trade in told.json["trades"]} == {"NIFTY50", "BANKNIFTY"}


# -- ingest and sql ------------------------------------------------------------------------------


def test_ingest_appends_and_never_rewrites(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    lines = (NSE_INDEX / "NIFTY50.csv").read_text().splitlines()
    take = ("ingest", folder, "--index", "NIFTY50")
    written(folder / "NIFTY50.csv", "\n".join(lines[:1501]))
    first = run(*take, "--json").json
    assert (first["appended"], first["stored"], first["first"]) == (1500, 1500, "2000-01-03")
    written(folder / "NIFTY50.csv", "\n".join(lines[:1511]))
    assert run(*take, "--json").json["appended"] == 10
    shown = run(*take)
    assert "NIFTY50: nothing new; 1510 stored" in shown.out
    told = run("ingest", folder)
    assert told.code == 2
    assert "name the same one" in told.complaint


@pytest.fixture
def tables(home: Home) -> None:
    import pandas as pd

    from kasauti.market.lake import Lake

    Lake(home.lake).write("market/prices", pd.DataFrame({"symbol": ["A", "B"], "close": [1.5, 2]}))


@pytest.mark.usefixtures("tables")
def test_sql_answers(run: Run) -> None:
    assert run("sql", "--json").json == {
        "rows": [{"layer": "market", "name": "prices", "columns": ["symbol", "close"]}]
    }
    query = "SELECT symbol, close, 'nan'::double AS x FROM market.prices ORDER BY close DESC"
    assert run("sql", query, "--json").json["rows"] == [
        {"symbol": "B", "close": 2.0, "x": None},
        {"symbol": "A", "close": 1.5, "x": None},
    ]
    assert run("sql", "SELECT symbol FROM market.prices").out.split() == ["symbol", "A", "B"]
    assert run("sql", "SELECT 1 AS one WHERE false").out.split() == ["one"]


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT * FROM nowhere", "the query failed: Catalog Error: Table with name nowhere"),
        ("SELEC 1", "the query failed: Parser Error"),
        (";", "the query is empty"),
        ("SELECT * FROM '/etc/passwd'", "the query failed: "),
        ("COPY (SELECT 1) TO 'out.csv'", "the query failed: Permission Error"),
    ],
    ids=["no table", "no SQL", "nothing", "a file", "writing"],
)
def test_a_failed_query_is_one_line(run: Run, query: str, says: str) -> None:
    told = run("sql", query, "--json")
    assert told.code == 2
    assert says in told.complaint
