"""Squadron: extractive question-answering models trained side by side and compared honestly.

This package is exactly what goes into the container image. It never imports kfp; imports go down
only (see docs/architecture.md), and nothing heavy is imported before it is needed.
"""

__version__ = "0.1.0"
