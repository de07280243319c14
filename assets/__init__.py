"""Dagster assets and checks, one module a stage; each calls one or two functions of kasauti.

The domain is imported inside the functions: a code location has to load within 3 s.
"""
