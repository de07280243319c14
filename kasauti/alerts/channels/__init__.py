"""The channels on which a person is reached, one module each, and what they have in common."""
