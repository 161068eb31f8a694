"""A terminal for tests, which knows what a person sees on it."""

import io
import re

_PIECES = re.compile(r"\x1b\[(\d+)A|[\r\n]|[^\r\n\x1b]+")


class Terminal(io.StringIO):
    """A terminal that keeps all that was written. It knows line breaks, \\r and "cursor up"."""

    def isatty(self):
        return True

    @property
    def seen(self):
        """What a person sees in the end, up to the cursor or to the last line with a text."""
        rows, row, column = [""], 0, 0
        text = self.getvalue()
        assert "".join(match[0] for match in _PIECES.finditer(text)) == text
        for match in _PIECES.finditer(text):
            if match[1]:
                row -= int(match[1])
                assert row >= 0
            elif match[0] == "\r":
                column = 0
            elif match[0] == "\n":
                # A terminal begins the next line in its first column.
                row, column = row + 1, 0
                rows += [""] * (row == len(rows))
            else:
                before = rows[row].ljust(column)
                rows[row] = before[:column] + match[0] + before[column + len(match[0]) :]
                column += len(match[0])
        while len(rows) > row + 1 and not rows[-1].strip():
            rows.pop()
        return "\n".join(each.rstrip() for each in rows)

    @property
    def drawn(self):
        """All lines that were ever drawn, without blanks at their ends."""
        parts = re.split(r"[\r\n]|\x1b\[\d+A", self.getvalue())
        return [part.rstrip() for part in parts if part.strip()]
