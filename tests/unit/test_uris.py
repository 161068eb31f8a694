"""No user, password or token of a URI is left in what is shown."""

import pytest

from squadron.uris import hide_secrets, secrets_of


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://ada:s3cret@mlflow:5000/path", "http://mlflow:5000/path"),
        ("https://s3cret@mlflow", "https://mlflow"),
        ("https://:s3cret@mlflow", "https://mlflow"),
        ("postgresql+psycopg://ada:s3cret@db:5432/mlflow", "postgresql+psycopg://db:5432/mlflow"),
        ("postgresql://ada:s3/cr@et@db/mlflow", "postgresql://db/mlflow"),
        ("postgresql://ada:123/4@db/mlflow", "postgresql://db/mlflow"),
        ("postgresql://ada:s3%2Fcret@db/mlflow", "postgresql://db/mlflow"),
        (
            "postgresql://db/mlflow?user=ada&password=s3cret&sslmode=require",
            "postgresql://db/mlflow?sslmode=require",
        ),
        ("https://mlflow/?token=s3cret", "https://mlflow/"),
        ("https://mlflow/?a=b&token=s3cret&c=d", "https://mlflow/?a=b&c=d"),
        (
            "https://mlflow/?token=s3cret&api_key=s3cret#/experiments/1",
            "https://mlflow/#/experiments/1",
        ),
        ("https://s3/b?X-Amz-Credential=s3cret&X-Amz-Signature=s3cret", "https://s3/b"),
        ("https://s3/b?AWSAccessKeyId=s3cret&Signature=s3cret&Expires=1", "https://s3/b?Expires=1"),
        ("https://mlflow/#access_token=s3cret", "https://mlflow/"),
    ],
)
def test_a_uri_is_shown_without_its_secrets(uri, shown):
    assert hide_secrets(uri) == shown
    assert hide_secrets(f"it can't be reached: {uri} (see {uri!r})") == (
        f"it can't be reached: {shown} (see {shown!r})"
    )


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////work/runs/mlflow.db",
        "http://127.0.0.1:5000/#/experiments/1/runs/2?workflowType=machine_learning",
        "#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=abc",
        "models:/squadron-tiny@candidate",
        "http://mlflow:5000/models/tiny@candidate",
        "s3://bucket/what?.json",
        "ada@example.org wrote it; does it hold? yes",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text):
    assert hide_secrets(text) == text


def test_secrets_are_found_as_written_and_decoded():
    assert secrets_of("postgresql://ada:s3%2Fcret@db/x?sslpassword=pw&a=b") == [
        "s3%2Fcret",
        "s3/cret",
        "pw",
    ]
    assert secrets_of("http://mlflow:5000") == []
