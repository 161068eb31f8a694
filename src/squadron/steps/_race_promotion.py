"""Promotes the winner of a race without a person, if its experiment asks for that."""

from typing import TYPE_CHECKING

from squadron.artifacts import read_table
from squadron.config import Register
from squadron.scores.race_result import RacePromotion
from squadron.steps._contenders import Contenders

if TYPE_CHECKING:
    from squadron.registry.versions import Registered


def promote_winner(
    contenders: Contenders, options: Register, race: str, version: "Registered", *, is_new: bool
) -> RacePromotion | None:
    """Points the alias that the experiment names at the winner, by the rule of `squadron promote`.

    An alias is moved only once for a race: if a person moves it on, a repeated step leaves it.

    Args:
        contenders: Who races.
        options: The settings of the step.
        race: The name of the race as people see it, which the history gets as the reason.
        version: The winner in the registry.
        is_new: Whether this race made the version.

    Returns:
        What became of it; None if no alias is asked for, or the version has it already.
    """
    from squadron.registry import promotions

    name, alias, reason = version.name, options.promote_to, f"race {race}"
    if not alias:
        return None
    holder = promotions.find_holder(name, alias)
    for move in promotions.read_history(name, alias):
        if (move.version, move.run_id, move.reason) == (version.version, version.run_id, reason):
            if holder == version.version:
                return RacePromotion(alias, moved=True, previous=move.previous)
            why = f"this race did so at {move.when}, and {alias} was moved since"
            return RacePromotion(alias, moved=False, why=why)
    if holder == version.version:
        return None
    if options.demo:
        why = "the race is a demo, whose figures rank nothing"
    else:
        why = _find_reason_against(contenders, version, holder, alias, is_new=is_new)
    if why:
        return RacePromotion(alias, moved=False, why=why)
    try:
        promotions.move_alias(name, alias, version.version, expected=holder, reason=reason)
    except promotions.AliasMovedError as error:
        if promotions.find_holder(name, alias) != version.version:
            return RacePromotion(alias, moved=False, why=str(error))
    return RacePromotion(alias, moved=True, previous=holder)


def _find_reason_against(
    contenders: Contenders, version: "Registered", holder: str, alias: str, *, is_new: bool
) -> str:
    """Returns why the winner may not have an alias; "" if nothing speaks against it.

    Args:
        contenders: Who races.
        version: The winner in the registry.
        holder: The version that has the alias; "" for none.
        alias: The alias.
        is_new: Whether this race made the version.
    """
    from squadron.registry.comparison import Answered
    from squadron.registry.review import review_promotion
    from squadron.registry.versions import find_version

    origins = [contenders.find_origin(number) for number in contenders.racing]
    has_raced = any(
        origin and (origin.name, origin.version_or_alias) == (version.name, holder)
        for origin in origins
    )
    # The winner has the best EM of its race. A version that raced is compared by that.
    current = find_version(version.name, holder) if holder and not has_raced else None
    answered = None
    if is_new and current:
        # MLflow may get the files of this race later.
        select = contenders.evaluations[contenders.racing[0]] / "select"
        answered = Answered(
            read_table(select / "scores.parquet", schema="scores/3"),
            read_table(select / "errors.parquet", schema="errors/1"),
        )
    found = review_promotion(version, current, alias, answered)
    objections = list(found.objections)
    if found.why_not_compared:
        objections.append(
            f"nothing shows that it is not worse than version {holder}: {found.why_not_compared}"
        )
    return "; ".join(objections)
