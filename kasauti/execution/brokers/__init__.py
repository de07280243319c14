"""Adapters to brokers behind one protocol; orders reach them through the gate alone."""
