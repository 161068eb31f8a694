"""Words that the messages of this package share."""


def name_kind(value: object) -> str:
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
    return f"{path} -> {name}" if path else name
