"""The benchmark `kasauti bench`: the population engine against the usual tools, in one run."""
