"""How long a test waits for a process that it started."""

PATIENCE_SECONDS = 3600.0
"""Ends a test that would hang for ever. It is no measure of speed: a busy or slow machine needs
minutes for what an idle one does in seconds."""
