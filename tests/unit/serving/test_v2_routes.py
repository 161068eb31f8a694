"""Health and metadata as specification/protocol/inference_rest.md of kserve/open-inference-protocol
and open_inference_rest.yaml beside it define them."""

import dataclasses

from squadron import __version__


def test_the_server_says_who_it_is(serve):
    server = serve()
    expected = {"name": "squadron", "version": __version__, "extensions": []}
    assert server.get("/v2").json == expected
    assert server.get("/v2/").json == expected


def test_it_lives_and_is_ready(serve):
    server = serve()
    assert server.get("/v2/health/live").json == {"live": True}
    reply = server.get("/v2/health/ready")
    assert (reply.status, reply.json["live"], reply.json["ready"]) == (200, True, True)


def test_a_model_has_metadata_with_and_without_its_version(serve):
    server = serve()
    about = server.get("/v2/models/span").json
    assert {"name", "platform", "versions", "inputs", "outputs"} == set(about)
    assert (about["name"], about["versions"]) == ("span", [])
    for tensor in about["inputs"] + about["outputs"]:
        assert set(tensor) == {"name", "datatype", "shape"}
        assert tensor["shape"] == [-1]
    server.service.switch(dataclasses.replace(server.service.engine, version="3"))
    assert server.get("/v2/models/span/versions/3").json == {**about, "versions": ["3"]}
    assert server.get("/v2/models/span/versions/3/ready").json == {"name": "span", "ready": True}
    assert server.get("/v2/models/span/ready").json == {"name": "span", "ready": True}


def test_another_model_or_version_is_not_found(serve):
    server = serve()
    paths = ("other", "other/ready", "span/versions/1", "span/versions/1/ready", "span/nothing")
    for path in paths:
        reply = server.get(f"/v2/models/{path}")
        assert (reply.status, reply.json["error_code"]) == (404, "NOT_FOUND")
        # The protocol's own name of the message.
        assert reply.json["error"] == reply.json["message"]
    assert "no model 'other'; it serves span" in server.get("/v2/models/other").json["message"]
