"""Whether everything works: checks by subject, when each changed colour; nothing is mended here.

`look.status_of` looks at everything, `look.red_checks` says what is red.
"""
