"""What a person sees of the running system: reports, plots and progress."""
