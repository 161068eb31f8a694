"""Renders the kustomizations of manifests/ without kubectl, so that their checks run everywhere.

It knows the fields that manifests/ uses and refuses every other one, so a new field can't be
ignored in silence. tests/contract/test_manifests.py compares it with `kubectl kustomize` wherever
that is installed.
"""

import base64
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

# The loader in C is ten times faster; PyYAML has it wherever it was built with libyaml.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

KNOWN_FIELDS = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "images",
    "secretGenerator",
    "generatorOptions",
}
CLUSTER_SCOPED = {"Namespace", "ClusterRole", "ClusterRoleBinding"}


def render(folder: Path) -> list[Document]:
    """Returns the documents of one kustomization, with those of its resources and components.

    Raises:
        ValueError: If it uses a field that this file does not know.
    """
    return _apply(folder, [])


def _apply(folder: Path, documents: list[Document]) -> list[Document]:
    """Adds the documents of a kustomization to `documents`, then transforms all of them."""
    content = yaml.load((folder / "kustomization.yaml").read_text(encoding="utf-8"), LOADER)
    unknown = set(content) - KNOWN_FIELDS
    if unknown:
        raise ValueError(f"{folder}: tests/kustomize.py does not know {sorted(unknown)}")
    documents = list(documents)
    for name in content.get("resources", []):
        path = folder / name
        if path.is_dir():
            documents += render(path)
        else:
            text = path.read_text(encoding="utf-8")
            documents += [document for document in yaml.load_all(text, LOADER) if document]
    for name in content.get("components", []):
        documents = _apply(folder / name, documents)
    options = content.get("generatorOptions", {})
    for generator in content.get("secretGenerator", []):
        documents.append(_generate_secret(folder, generator, options))
    if "namespace" in content:
        _set_namespace(documents, content["namespace"])
    for image in content.get("images", []):
        _set_image(documents, image)
    return documents


def _generate_secret(folder: Path, generator: Document, options: Document) -> Document:
    if set(generator) != {"name", "envs"} or options.get("disableNameSuffixHash") is not True:
        raise ValueError(f"{folder}: a Secret is made from `envs`, without a hash in its name")
    lines = [
        line
        for file in generator["envs"]
        for line in (folder / file).read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    pairs = dict(line.split("=", 1) for line in lines)
    metadata: Document = {"name": generator["name"]}
    if "labels" in options:
        metadata["labels"] = dict(options["labels"])
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in pairs.items()},
    }


def _set_namespace(documents: list[Document], namespace: str) -> None:
    accounts = {d["metadata"]["name"] for d in documents if d["kind"] == "ServiceAccount"}
    for document in documents:
        if document["kind"] == "Namespace":
            document["metadata"]["name"] = namespace
        elif document["kind"] not in CLUSTER_SCOPED:
            document["metadata"]["namespace"] = namespace
        for subject in document.get("subjects", []):
            if subject["kind"] == "ServiceAccount" and subject["name"] in accounts:
                subject["namespace"] = namespace


def _set_image(documents: list[Document], image: Document) -> None:
    for document in documents:
        spec = document.get("spec", {}).get("template", {}).get("spec", {})
        for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
            # The name ends at a tag or a digest. A colon before a slash belongs to a port.
            name = container["image"].partition("@")[0]
            head, slash, last = name.rpartition("/")
            last, _, tag = last.partition(":")
            if head + slash + last == image["name"]:
                tag = image.get("newTag", tag)
                new = image.get("newName", image["name"])
                container["image"] = f"{new}:{tag}" if tag else new
