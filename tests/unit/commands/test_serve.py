"""Which names a server answers for; tests/integration/test_serve.py runs the command."""

import pytest

from squadron.commands.serve import LOCAL_HOSTS, _choose_hosts


@pytest.mark.parametrize(
    ("given", "host", "allowed"),
    [
        ("", "127.0.0.1", LOCAL_HOSTS),
        ("", "::1", LOCAL_HOSTS),
        ("", "0.0.0.0", ()),
        ("A.example, b.example", "127.0.0.1", ("a.example", "b.example")),
        ("*", "127.0.0.1", ()),
    ],
)
def test_a_local_server_answers_for_names_of_this_machine(given, host, allowed):
    assert _choose_hosts(given, host) == allowed
