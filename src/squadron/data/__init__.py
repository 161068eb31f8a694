"""Turns data into windows: reads, checks and splits examples, and cuts them into windows.

Owns what a question, a context and a window are. May import config, storage and artifacts, but no
models and no torch. Others use the modules in `__all__`.
"""

__all__ = [
    "contamination",
    "example_table",
    "folding",
    "layout",
    "leakage",
    "locations",
    "overlap",
    "question_types",
    "sources",
    "split",
    "tokens",
    "validation",
    "validation_file",
    "validation_report",
    "window_table",
    "windows",
]
