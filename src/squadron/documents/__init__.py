"""Turns documents (PDF, Markdown, HTML and text files) into text and passages of sentences.

Owns what a document, a page and a passage are. May import config, storage and data, but no models
and no torch. Others use the modules in `__all__`.
"""

__all__ = [
    "cutting",
    "document",
    "evidence",
    "limits",
    "passage_table",
    "passages",
    "reading",
    "synthesis",
]
