import json

import pytest

from squadron.config.parsing import MAX_DEPTH, parse_json, parse_yaml, shorten


def test_what_json_and_yaml_hold_is_read():
    assert parse_json('{"a": [1, 2.5, null, "\\u00e9"]}') == {"a": [1, 2.5, None, "é"]}
    assert parse_yaml("a: [1, 2.5, null, é]\nb: &x {c: 1}\nd: *x") == {
        "a": [1, 2.5, None, "é"],
        "b": {"c": 1},
        "d": {"c": 1},
    }
    deep = "[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1)
    assert parse_yaml(deep) == json.loads(deep)


@pytest.mark.parametrize("depth", [993, 5000, 100_000])
@pytest.mark.parametrize(("first", "last"), [("[", "]"), ('{"a":', "}")])
def test_json_that_is_nested_deeply_is_a_value_error(depth, first, last):
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(first * depth + "1" + last * depth)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 493 + "]" * 493, "nested"),
        ("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH, f"nested more than {MAX_DEPTH} levels deep"),
        ("{a: " * 2000 + "1" + "}" * 2000, "nested too deeply"),
        ("&a [*a]", f"nested more than {MAX_DEPTH} levels deep"),
        ("0x" + "f" * 5000, "whole number of more than 4096 bits"),
        ("9" * 4000, "whole number of more than 4096 bits"),
        ("9" * 5000, "a number of more than 4,300 digits"),
        ("? 0x" + "f" * 5000 + "\n: 1", "whole number of more than 4096 bits"),
        ('"a\\ud800"', "half a surrogate pair in 'a\\\\ud800'"),
        (
            "\n".join(
                f"{name}: &{name} [{', '.join([f'*{below}' if below else '1'] * 20)}]"
                for below, name in zip(["", *"abcd"], "abcde", strict=True)
            ),
            "more than 100,000 values, aliases counted",
        ),
    ],
    ids=lambda value: value[:20],
)
def test_yaml_that_fails_later_is_a_value_error(text, words):
    with pytest.raises(ValueError, match=words):
        parse_yaml(text)


def test_a_long_number_in_json_is_a_value_error_in_our_words():
    with pytest.raises(ValueError, match="it has a number of more than 4,300 digits"):
        parse_json("9" * 5000)


def test_any_value_can_be_shown_on_one_short_line():
    deep = json.loads("[" * 900 + "]" * 900)
    for value in (deep, "x" * 10**6, 10**10000, {"a": deep}, "\ud800\n", None):
        shown = shorten(value)
        assert len(shown) < 200
        assert shown.isprintable()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("train: 1\ndata: 2\ntrain: 3\n", "the key 'train' stands twice, in lines 1 and 3"),
        ("a:\n  b: 1\n  b: 2\n", "the key 'b' stands twice, in lines 2 and 3"),
        ("{a: 1, a: 1}", "the key 'a' stands twice, in line 1"),
        ("a: 1\n'a': 2\n", "the key 'a' stands twice, in lines 1 and 2"),
        ("- {x: [{c: 1, c: 2}]}", "the key 'c' stands twice, in line 1"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_lines(text, sentence):
    with pytest.raises(ValueError, match="stands twice") as caught:
        parse_yaml(text)
    assert str(caught.value) == f"{sentence}; keep one of them"


def test_equal_keys_of_different_mappings_and_merged_ones_are_fine():
    text = "base: &base {a: 1, b: 2}\nmore: &more {<<: *base, a: 3}\nlast: {<<: *more, b: 4}\n"
    assert parse_yaml(text)["last"] == {"a": 3, "b": 4}
    assert parse_yaml("- {a: 1}\n- {a: 1}\n") == [{"a": 1}, {"a": 1}]
