"""Markets whose truth is known, and how often the whole pipeline is wrong on them."""
