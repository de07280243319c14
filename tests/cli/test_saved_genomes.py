"""A strategy that `evolve --save` writes is the very strategy that `--genome` reads."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings

from kasauti.genome import Genome, load_genome
from kasauti.genome.writing import to_toml
from tests.genome.strategies import genomes


@given(genomes())
@settings(deadline=None, max_examples=150, derandomize=True)
def test_writing_and_reading_is_the_identity(genome: Genome) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "genome.toml"
        file.write_text(to_toml(genome), encoding="utf-8")
        read = load_genome(file)
    assert read == genome
    assert read.hash == genome.hash
