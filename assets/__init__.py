"""Dagster assets and checks, one module a stage; each calls one or two functions of kasauti."""
