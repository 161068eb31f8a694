"""Turns documents (PDF, Markdown, HTML, text) into passages of a few sentences.

Owns what a document, a page and a passage are. May import config and storage, but no models and no
torch. Others use the modules in `__all__`.
"""

__all__ = ["passages"]
