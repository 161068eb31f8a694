"""Which kinds of files are documents."""

PDF = (".pdf",)
PLAIN = (".txt", ".text")
MARKDOWN = (".md", ".markdown")
HTML = (".html", ".htm", ".xhtml")
KINDS = (*PDF, *PLAIN, *MARKDOWN, *HTML)
"""The endings of all files that can be read, in lower case."""
