"""The gate of another serving format than torch. It judges the format and not the model."""

from squadron.scores.gate_verdict import GateVerdict

NAME = "serving_format"
_ROUNDING = 1e-9
"""EM is a mean of zeros and ones; a drop of exactly the threshold must not fail by rounding."""


def keeps_exact_match(
    serving_format: str, figure: float, of_torch: float, most: float
) -> GateVerdict:
    """Passes a format whose EM on select is at most the threshold below the EM of torch.

    Args:
        serving_format: The format.
        figure: Its EM on select, 0 to 100.
        of_torch: EM on select in the format torch.
        most: The threshold, in points of EM.
    """
    drop = of_torch - figure
    why = (
        f"as {serving_format}, its EM on select is {figure:.2f}, and {of_torch:.2f} as torch; "
        f"{most:g} points less are the most"
    )
    return GateVerdict(NAME, drop <= most + _ROUNDING, why, drop, most)
