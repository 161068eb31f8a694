"""Examples in, windows out: reading, checking and splitting data, and cutting it into windows.

Owns what a question, a context and a window are. May import config, storage and artifacts; knows
neither a network nor torch. Others use the modules that `__all__` names.
"""

__all__ = [
    "contamination",
    "example_table",
    "folding",
    "layout",
    "leakage",
    "question_types",
    "sources",
    "split",
    "tokens",
    "validation",
    "window_table",
    "windows",
]
