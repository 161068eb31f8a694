"""How messages name values and places."""


def name_kind(value: object) -> str:
    """Returns what kind of thing a value is, such as "a whole number"."""
    names = {
        type(None): "nothing",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), type(value).__name__)


def join_path(path: str, name: str) -> str:
    """Returns where a setting stands, such as "train -> epochs". At the top, `path` is ""."""
    return f"{path} -> {name}" if path else name
