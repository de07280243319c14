"""The gates that read searched bars only: each looks at one thing and says so in plain words."""
