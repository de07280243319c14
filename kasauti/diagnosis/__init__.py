"""Where a command's time goes and what is kept to save it; no health and no benchmark."""
