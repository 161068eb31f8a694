"""The lines of `squadron ask` about the windows of a text."""

from squadron.answers.explanation import WindowReading
from squadron.commands._shown import MOST_WINDOWS, window_lines
from squadron.reader import Reading


def read(scores, best):
    windows = tuple(
        WindowReading(10 * n, 10 * n + 9, f"w{n}", 10 * n, 10 * n + 2, score, None, 0.0, n == best)
        for n, score in enumerate(scores)
    )
    return Reading("x", 0, 1, max(scores), True, windows=windows)


def test_each_window_of_a_short_text_has_a_line():
    lines = window_lines(read([1.0, 2.0], best=1), " <- the answer")
    assert lines == [
        "window 1, characters 0 to 9: 'w0' (score 1.00, null score 0.00)",
        "window 2, characters 10 to 19: 'w1' (score 2.00, null score 0.00) <- the answer",
    ]


def test_of_a_long_text_the_best_windows_are_shown_in_their_order():
    scores = [float(n % 50) for n in range(100)]
    lines = window_lines(read(scores, best=99), " <- the answer")
    numbers = [int(line.split()[1].rstrip(",")) for line in lines[:-1]]
    assert numbers == [*range(41, 51), *range(91, 101)]
    assert lines[-2].endswith(" <- the answer")
    assert lines[-1] == f"{100 - MOST_WINDOWS} more windows, with lower scores"
