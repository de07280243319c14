"""What happened and what to do, told to a person on channels that work; no trading is decided."""
