"""A genome as the text of a TOML file; reading one stands in `files`."""

import json

from kasauti.genome.model import Genome


def to_toml(genome: Genome) -> str:
    """Return the genes as TOML that `load_genome` reads back to the same genome."""
    lines = []
    for name, value in genome.to_genes().items():
        if isinstance(value, dict):
            inside = ", ".join(f"{key} = {number!r}" for key, number in value.items())
            lines.append(f"{name} = {{ {inside} }}")
        else:
            # JSON's strings, lists of strings and numbers are TOML's as well.
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"
