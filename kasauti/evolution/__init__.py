"""The search for genomes and the register of everything that it tried."""
