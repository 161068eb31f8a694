"""The folder runs/ of a machine: which process uses it, what is in it, and what can be removed.

Owns the names of the folders in it, the lock on it, the notes on which race used which cache
entries and on what each step took, and the clean-up. May import artifacts. Others use
the modules that `__all__` names.
"""

__all__ = ["cleanup", "kept", "places", "race_use", "runs_lock", "step_notes"]
