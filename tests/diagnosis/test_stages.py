import pytest

from kasauti.diagnosis.stages import IMPORTS, OTHER, PACKAGE, WAITING, Place, stage_of

LIBRARIES = "/anywhere/lib/python3.11"
BARS, EVALUATING = "reading and checking bars", "evaluating strategies"
KERNELS = "compiling and loading kernels"


def own(file: str) -> str:
    return str(PACKAGE / file)


@pytest.mark.parametrize(
    ("file", "function", "caller", "stage"),
    [
        (own("market/sources.py"), "load_sample", OTHER, BARS),
        (own("market/charges.py"), "rates", EVALUATING, EVALUATING),
        (own("backtest/engine.py"), "score_all", "ranking and selecting", EVALUATING),
        (own("evolution/search.py"), "evolve", OTHER, "ranking and selecting"),
        (own("evolution/register.py"), "record", OTHER, "trial register and checkpoints"),
        (own("validation/seal.py"), "admit", OTHER, "sealing bars"),
        (own("validation/seal_records.py"), "find", OTHER, "sealing bars"),
        (own("validation/verdict.py"), "judge", OTHER, "gates of the verdict"),
        (own("execution/ledger.py"), "append", OTHER, "ledger, gate and desk"),
        (own("commands.py"), "evolve", OTHER, OTHER),
        (own("plain.py"), "plain", BARS, BARS),
        (f"{LIBRARIES}/site-packages/numba/core/compiler.py", "compile", EVALUATING, KERNELS),
        (f"{LIBRARIES}/site-packages/numpy/core/x.py", "mean", EVALUATING, EVALUATING),
        (f"{LIBRARIES}/threading.py", "wait", EVALUATING, WAITING),
        (f"{LIBRARIES}/threading.py", "start", EVALUATING, EVALUATING),
        (f"{LIBRARIES}/json/decoder.py", "decode", BARS, BARS),
        ("<frozen importlib._bootstrap>", "_find_and_load", EVALUATING, IMPORTS),
        (f"{LIBRARIES}/site-packages/numba/core/compiler.py", "<module>", IMPORTS, IMPORTS),
        (own("market/sources.py"), "<module>", IMPORTS, IMPORTS),
    ],
    ids=lambda value: value.rsplit("/", 1)[-1],
)
def test_each_place_belongs_to_a_stage_or_to_its_caller(
    file: str, function: str, caller: str, stage: str
) -> None:
    assert stage_of(Place(function, file), caller) == stage


def test_every_part_of_kasauti_that_is_named_exists() -> None:
    """A package that is renamed would silently become `everything else`."""
    from kasauti.diagnosis import stages

    files = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}
    for beginning in (*stages._OWN, *stages._INHERITED):
        assert any(file.startswith(beginning) for file in files), beginning
