"""``kasauti prove`` as a trader calls it, on real bars."""

from pathlib import Path

import pytest

from kasauti.cli import cli
from kasauti.market.bars import Bars
from kasauti.prove_command import prove
from kasauti.regimes import online
from kasauti.regimes.model import OnlineLabels
from tests.cli.conftest import GENES, Run, written
from tests.shared_data import NSE_INDEX, NSE_STOCKS

INDEX = ("--bars", NSE_INDEX, "--index", "NIFTY50", "--cuts", 1)


@pytest.fixture(autouse=True)
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.commands, "prove", prove)


def test_a_strategy_is_proved(run: Run, genome: Path) -> None:
    told = run("prove", *INDEX, "--genome", genome, "--json")
    assert told.code == 0
    found = told.json
    assert found["proved"]
    assert [one["kind"] for one in found["subjects"]] == ["label", "signal", "strategy"]
    assert set(found["lag"]) == {"sharpe", "sharpe_a_bar_later", "lost", "suspicious"}
    assert found["bars"] < 5600 * 0.85  # the sealed fifth is not read


def test_a_person_reads_a_table_and_a_sentence(run: Run, genome: Path) -> None:
    told = run("prove", *INDEX, "--genome", genome)
    assert told.code == 0
    assert "regime labels" in told.out
    assert "none of them changed" in told.out
    assert "Acting one bar later" in told.out


def test_the_first_leak_is_told_with_exit_code_1(
    run: Run, genome: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = online.label_online

    def early(bars: Bars) -> OnlineLabels:
        codes = honest(bars).codes.copy()
        codes[:-5] = codes[5:].copy()
        return OnlineLabels(codes)

    monkeypatch.setattr(online, "label_online", early)
    told = run("prove", *INDEX, "--genome", genome, "--json")
    assert told.code == 1
    assert not told.json["proved"]
    assert told.json["reason"].startswith("regime labels: looks ahead: its value on ")


@pytest.mark.parametrize(
    ("bars", "genes", "complaint"),
    [
        pytest.param(NSE_INDEX, GENES.replace("rsi(", "rsy("), "rsy", id="no such function"),
        pytest.param(
            NSE_INDEX,
            GENES.replace("close, 12), ema(close, 26)", "close, 12), 9 * close"),
            "never trades",
            id="never trades",
        ),
        pytest.param(Path("nowhere"), GENES, "not a folder", id="no such folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    run: Run, tmp_path: Path, bars: Path, genes: str, complaint: str
) -> None:
    told = run("prove", "--bars", bars, "--genome", written(tmp_path / "g.toml", genes), "--json")
    assert told.code == 2
    assert complaint in told.complaint


def test_too_few_bars_prove_nothing(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    lines = (NSE_STOCKS / "INFY.csv").read_text().splitlines()[:250]
    written(folder / "INFY.csv", "\n".join(lines) + "\n")
    told = run("prove", "--bars", folder, "--json")
    assert told.code == 2
    assert "at least 300" in told.complaint
