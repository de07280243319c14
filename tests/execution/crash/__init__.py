"""A desk's process is killed at named steps of an order's life; what the next one makes of it."""
