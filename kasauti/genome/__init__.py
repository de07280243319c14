"""The strategy language: types, text form, parser and files; breeding is in `genome.breeding`."""

from kasauti.genome.check import check_genome
from kasauti.genome.family import family
from kasauti.genome.files import genome_from_genes, load_genome
from kasauti.genome.model import (
    Binary,
    Call,
    Distance,
    DistanceKind,
    Expression,
    Genome,
    Number,
    Series,
    Side,
    Unary,
)
from kasauti.genome.parser import parse_expression
from kasauti.genome.text import to_text

__all__ = [
    "Binary",
    "Call",
    "Distance",
    "DistanceKind",
    "Expression",
    "Genome",
    "Number",
    "Series",
    "Side",
    "Unary",
    "check_genome",
    "family",
    "genome_from_genes",
    "load_genome",
    "parse_expression",
    "to_text",
]
