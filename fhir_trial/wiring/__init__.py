"""Plugs the real rooms together; ``clock`` is the only place that asks for today."""
