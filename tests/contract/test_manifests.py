"""Checks that manifests/ renders, is valid, runs under "restricted" and names what exists.

A checker takes the rendered documents and returns a list of problems, one sentence each. It runs
over the base, over every overlay and over the base with each component; and for every checker a
broken copy of the base shows that it sees what it is for.
"""

from __future__ import annotations

import base64
import copy
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from squadron.commands.serve import TOKEN_VARIABLE
from squadron.serving.gate import OPEN
from squadron.serving.settings import Settings
from tests import kustomize
from tests.network_policies import selects

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "manifests"
BASE = MANIFESTS / "base"
OVERLAYS = sorted(path.parent for path in MANIFESTS.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent for path in MANIFESTS.glob("components/*/kustomization.yaml"))
WHOLE = [BASE, *OVERLAYS, *COMPONENTS]

# The names that the base uses and an overlay must define, with their keys.
EXTERNAL = {
    ("Secret", "squadron-postgres"): {"POSTGRES_PASSWORD", "MLFLOW_BACKEND_STORE_URI"},
}
KUBERNETES_VERSIONS = ("1.30", kubernetes_validate.latest_version())
# https://kubernetes.io/docs/concepts/security/pod-security-standards/ (restricted)
ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}

# Kubernetes enforces "restricted" by the first label. The network policies of Kubeflow know the
# namespaces of its users by the second; test_network.py shows what it opens.
NAMESPACE_LABELS = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "app.kubernetes.io/part-of": "kubeflow-profile",
}

Document = dict[str, Any]
Checker = Callable[[list[Document]], list[str]]


def render(folder: Path, scratch: Path) -> list[Document]:
    """Renders a folder. A component is rendered on top of the base."""
    return kustomize.render(make_whole(folder, scratch))


def make_whole(folder: Path, scratch: Path) -> Path:
    if folder not in COMPONENTS:
        return folder
    names = {"resources": BASE, "components": folder}
    lists = {key: [os.path.relpath(path, scratch)] for key, path in names.items()}
    (scratch / "kustomization.yaml").write_text(yaml.safe_dump(lists), encoding="utf-8")
    return scratch


@pytest.fixture(params=WHOLE, ids=lambda path: path.relative_to(MANIFESTS).as_posix())
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def documents(folder: Path, tmp_path: Path) -> list[Document]:
    return render(folder, tmp_path.resolve())


@pytest.fixture
def base(tmp_path: Path) -> list[Document]:
    return copy.deepcopy(render(BASE, tmp_path.resolve()))


def name_of(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def find(documents: list[Document], kind: str, name: str) -> Document:
    return next(d for d in documents if name_of(d) == f"{kind}/{name}")


def find_pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Yields the name and the pod template ({metadata, spec}) of each document that makes pods."""
    for document in documents:
        if document["kind"] == "Pod":
            yield name_of(document), document
        elif document["kind"] == "CronJob":
            yield name_of(document), document["spec"]["jobTemplate"]["spec"]["template"]
        elif "template" in document.get("spec", {}):
            yield name_of(document), document["spec"]["template"]


def find_containers(spec: Document) -> list[Document]:
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in spec.get(kind, [])]


def check_schemas(documents: list[Document]) -> list[str]:
    problems = []
    for document in documents:
        for version in KUBERNETES_VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(str(part) for part in error.path)
                problems.append(f"{name_of(document)} ({version}): {path}: {error.message}")
            except kubernetes_validate.SchemaNotFoundError as error:
                problems.append(f"{name_of(document)} ({version}): {error.message}")
    return problems


def check_namespaces(documents: list[Document]) -> list[str]:
    """All documents are in one namespace, which exists and has the labels that others need."""
    spaces = [d for d in documents if d["kind"] == "Namespace"]
    if len(spaces) != 1:
        return [f"{len(spaces)} Namespace documents, expected 1"]
    problems = [
        f"{name_of(spaces[0])}: {label} is not {value}"
        for label, value in NAMESPACE_LABELS.items()
        if spaces[0]["metadata"].get("labels", {}).get(label) != value
    ]
    for document in documents:
        space = document["metadata"].get("namespace")
        if document["kind"] != "Namespace" and space != spaces[0]["metadata"]["name"]:
            problems.append(f"{name_of(document)}: namespace {space}")
    return problems


def check_labels(documents: list[Document]) -> list[str]:
    problems = []
    for document in documents:
        if document["kind"] == "Namespace":  # check_namespaces
            continue
        labels = document["metadata"].get("labels", {})
        if labels.get("app.kubernetes.io/part-of") != "squadron":
            problems.append(f"{name_of(document)}: part-of is not squadron")
        wanted = ["app.kubernetes.io/name", "app.kubernetes.io/component"]
        missing = [key for key in wanted if key not in labels and document["kind"] != "Secret"]
        problems += [f"{name_of(document)}: no label {key}" for key in missing]
    return problems


def check_pod_security(documents: list[Document]) -> list[str]:
    """The "restricted" profile of the Pod Security Standards, and a read-only root besides."""
    problems = []
    for owner, template in find_pods(documents):
        spec = template["spec"]
        pod = spec.get("securityContext", {})
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(key):
                problems.append(f"{owner}: {key}")
        if pod.get("sysctls"):
            problems.append(f"{owner}: sysctls")
        for volume in spec.get("volumes", []):
            for kind in set(volume) - {"name"} - ALLOWED_VOLUMES:
                problems.append(f"{owner}: volume {volume['name']} is a {kind}")
        for container in find_containers(spec):
            where = f"{owner}: {container['name']}"
            own = container.get("securityContext", {})
            problems += [f"{where}: {problem}" for problem in check_container(own, pod)]
            for port in container.get("ports", []):
                if port.get("hostPort"):
                    problems.append(f"{where}: hostPort {port['hostPort']}")
    return problems


def check_container(own: Document, pod: Document) -> Iterator[str]:
    merged = {**pod, **own}  # the value of a container overrides that of its pod
    if merged.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if merged.get("runAsUser") == 0:
        yield "runAsUser is 0"
    if merged.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "seccompProfile is not RuntimeDefault"
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if own.get("procMount", "Default") != "Default":
        yield "procMount is not Default"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem is not true"
    if "ALL" not in own.get("capabilities", {}).get("drop", []):
        yield "capabilities: ALL is not dropped"
    if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities: added"


def check_references(documents: list[Document]) -> list[str]:
    """Every ConfigMap, Secret, ServiceAccount, Role, Service and volume that is named exists."""
    have: dict[tuple[str, str], set[str]] = {}
    for document in documents:
        content = {**document.get("data", {}), **document.get("stringData", {})}
        have[document["kind"], document["metadata"]["name"]] = set(content)
    # If none of the Secrets exists, an overlay must bring all of them.
    if not any(kind == "Secret" for kind, _ in have):
        have = {**EXTERNAL, **have}
    problems = []
    for owner, kind, name, key in find_references(documents):
        if (kind, name) not in have:
            problems.append(f"{owner}: {kind}/{name} does not exist")
        elif key is not None and key not in have[kind, name]:
            problems.append(f"{owner}: {kind}/{name} has no key {key}")
    for owner, template in find_pods(documents):
        spec = template["spec"]
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        claims = find_claims(documents, owner)
        for container in find_containers(spec):
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes | claims:
                    problems.append(f"{owner}: no volume {mount['name']}")
            variables = {variable["name"] for variable in container.get("env", [])}
            words = " ".join([*container.get("command", []), *container.get("args", [])])
            for variable in re.findall(r"\$\((\w+)\)", words):
                if variable not in variables:
                    problems.append(f"{owner}: $({variable}) is not in env")
    return problems


def find_claims(documents: list[Document], owner: str) -> set[str]:
    document = next(d for d in documents if name_of(d) == owner)
    claims = document.get("spec", {}).get("volumeClaimTemplates", [])
    return {claim["metadata"]["name"] for claim in claims}


def find_references(documents: list[Document]) -> Iterator[tuple[str, str, str, str | None]]:
    """Yields each reference: owner, kind, name, and key (None for the whole document)."""
    for document in documents:
        owner = name_of(document)
        if document["kind"] == "RoleBinding":
            yield owner, document["roleRef"]["kind"], document["roleRef"]["name"], None
            for subject in document["subjects"]:
                yield owner, subject["kind"], subject["name"], None
        if document["kind"] == "StatefulSet":
            yield owner, "Service", document["spec"]["serviceName"], None
        if document["kind"] == "HorizontalPodAutoscaler":
            scaled = document["spec"]["scaleTargetRef"]
            yield owner, scaled["kind"], scaled["name"], None
    for owner, template in find_pods(documents):
        spec = template["spec"]
        yield owner, "ServiceAccount", spec.get("serviceAccountName", "default"), None
        for container in find_containers(spec):
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {})
                for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                    ref = source.get(field, {"optional": True})
                    if not ref.get("optional"):
                        yield owner, kind, ref["name"], ref["key"]
            for source in container.get("envFrom", []):
                if "configMapRef" in source:
                    yield owner, "ConfigMap", source["configMapRef"]["name"], None
                if "secretRef" in source:
                    yield owner, "Secret", source["secretRef"]["name"], None
        for volume in spec.get("volumes", []):
            if "configMap" in volume and not volume["configMap"].get("optional"):
                yield owner, "ConfigMap", volume["configMap"]["name"], None
            if "secret" in volume:
                yield owner, "Secret", volume["secret"]["secretName"], None
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                yield owner, "PersistentVolumeClaim", claim, None


def check_images(documents: list[Document]) -> list[str]:
    problems = []
    for owner, template in find_pods(documents):
        for container in find_containers(template["spec"]):
            image = container["image"]
            _, _, tag = image.rpartition("/")[2].partition(":")
            if "@sha256:" not in image and tag in ("", "latest"):
                problems.append(f"{owner}: image {image} has no fixed tag")
    return problems


def check_resources(documents: list[Document]) -> list[str]:
    problems = []
    for owner, template in find_pods(documents):
        for container in find_containers(template["spec"]):
            for side in ("requests", "limits"):
                given = container.get("resources", {}).get(side, {})
                for kind in ("cpu", "memory", "ephemeral-storage"):
                    if kind not in given:
                        problems.append(f"{owner}: {container['name']}: no {side}.{kind}")
        for volume in template["spec"].get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                problems.append(f"{owner}: volume {volume['name']} has no sizeLimit")
    return problems


def check_probes(documents: list[Document]) -> list[str]:
    wanted = ("startupProbe", "readinessProbe", "livenessProbe")
    return [
        f"{owner}: {container['name']}: no {probe}"
        for owner, template in find_pods(documents)
        for container in template["spec"]["containers"]
        for probe in wanted
        if probe not in container
    ]


def check_network(documents: list[Document]) -> list[str]:
    """One policy denies all. Each workload has a Service, and a policy that opens its port."""
    policies = [d for d in documents if d["kind"] == "NetworkPolicy"]
    services = [d for d in documents if d["kind"] == "Service"]
    problems = []
    if not any(is_default_deny(policy["spec"]) for policy in policies):
        problems.append("no NetworkPolicy denies ingress and egress of all pods")
    workloads = list(find_pods(documents))
    for service in services:
        selector = {"matchLabels": service["spec"]["selector"]}
        if not any(selects(selector, pod["metadata"]["labels"]) for _, pod in workloads):
            problems.append(f"{name_of(service)}: selects no pod")
    for policy in policies:
        named = policy["spec"]["podSelector"].get("matchLabels", {})
        if named and not any(
            selects({"matchLabels": named}, pod["metadata"]["labels"]) for _, pod in workloads
        ):
            problems.append(f"{name_of(policy)}: selects no pod")
    for owner, pod in workloads:
        labels = pod["metadata"]["labels"]
        ports = {
            port.get("name", port["containerPort"]): port["containerPort"]
            for container in pod["spec"]["containers"]
            for port in container.get("ports", [])
        }
        own = [s for s in services if selects({"matchLabels": s["spec"]["selector"]}, labels)]
        if not own:
            problems.append(f"{owner}: no Service selects its pods")
        let_in = {
            rule_port.get("port")
            for policy in policies
            if selects(policy["spec"]["podSelector"], labels)
            for rule in policy["spec"].get("ingress", [])
            for rule_port in rule.get("ports", [])
        }
        for service in own:
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if ports.get(target, target) not in ports.values():
                    problems.append(f"{name_of(service)}: {owner} has no port {target}")
                elif ports.get(target, target) not in let_in:
                    problems.append(f"{owner}: no NetworkPolicy lets port {target} in")
    return problems


def is_default_deny(spec: Document) -> bool:
    both = set(spec.get("policyTypes", [])) == {"Ingress", "Egress"}
    return spec["podSelector"] == {} and both and not spec.get("ingress") and not spec.get("egress")


def check_disruptions(documents: list[Document]) -> list[str]:
    """A disruption budget selects pods, and leaves room for one of them to end."""
    workloads = [pod["metadata"]["labels"] for _, pod in find_pods(documents)]
    problems = []
    for document in documents:
        if document["kind"] != "PodDisruptionBudget":
            continue
        spec = document["spec"]
        if not any(selects(spec["selector"], labels) for labels in workloads):
            problems.append(f"{name_of(document)}: selects no pod")
        if spec.get("maxUnavailable") in (0, "0%", None):
            problems.append(f"{name_of(document)}: a node could never be emptied")
    return problems


def check_addresses(documents: list[Document]) -> list[str]:
    """The tracking URI names a Service that exists, and MLflow answers to that name."""
    maps = {d["metadata"]["name"]: d["data"] for d in documents if d["kind"] == "ConfigMap"}
    address = urlsplit(maps["squadron-config"]["MLFLOW_TRACKING_URI"]).netloc
    allowed = maps["mlflow"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    problems = []
    if address not in allowed:
        problems.append(f"MLFLOW_SERVER_ALLOWED_HOSTS has no {address}: it would answer 403")
    problems += [f"allowed host {host!r} has no port" for host in allowed if ":" not in host]
    host, _, port = address.partition(":")
    name, space = host.split(".")[:2]
    there = {
        (d["metadata"]["name"], d["metadata"]["namespace"], str(port["port"]))
        for d in documents
        if d["kind"] == "Service"
        for port in d["spec"]["ports"]
    }
    if (name, space, port) not in there:
        problems.append(f"MLFLOW_TRACKING_URI: no Service for {address}")
    return problems


def check_permissions(documents: list[Document]) -> list[str]:
    """There is no wildcard, no cluster-wide right, no unnamed Secret and no needless token."""
    problems = []
    bound = set()
    for document in documents:
        if document["kind"] in ("ClusterRole", "ClusterRoleBinding"):
            problems.append(f"{name_of(document)}: reaches beyond the namespace")
        if document["kind"] == "RoleBinding":
            bound |= {subject["name"] for subject in document["subjects"]}
        for rule in document.get("rules", []) if document["kind"] == "Role" else []:
            if "*" in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]:
                problems.append(f"{name_of(document)}: wildcard in {rule}")
            if "secrets" in rule["resources"] and not rule.get("resourceNames"):
                problems.append(f"{name_of(document)}: every Secret of the namespace")
    accounts = [d for d in documents if d["kind"] == "ServiceAccount"]
    for account in accounts:
        unused = account["metadata"]["name"] not in bound
        if unused and account.get("automountServiceAccountToken") is not False:
            problems.append(f"{name_of(account)}: mounts a token that it has no use for")
    return problems


def check_secrets(documents: list[Document]) -> list[str]:
    """A committed Secret holds only placeholders."""
    problems = []
    for document in documents:
        if document["kind"] != "Secret":
            continue
        for key, value in document.get("data", {}).items():
            text = base64.b64decode(value).decode()
            if key == "MLFLOW_BACKEND_STORE_URI":
                real = urlsplit(text).password is not None
            else:
                real = not text.startswith("CHANGE-ME")
            if real:
                problems.append(f"{name_of(document)}: {key} does not look like a placeholder")
    return problems


CHECKERS: list[Checker] = [
    check_schemas,
    check_namespaces,
    check_labels,
    check_pod_security,
    check_references,
    check_images,
    check_resources,
    check_probes,
    check_network,
    check_disruptions,
    check_addresses,
    check_permissions,
    check_secrets,
]


@pytest.mark.parametrize("check", CHECKERS, ids=lambda check: check.__name__)
def test_rendered_documents_have_no_problem(check: Checker, documents: list[Document]) -> None:
    assert len(documents) > 10
    assert check(documents) == []


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_renders_the_same(folder: Path, tmp_path: Path) -> None:
    whole = make_whole(folder, tmp_path.resolve())
    done = subprocess.run(
        ["kubectl", "kustomize", str(whole)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    theirs = [document for document in yaml.safe_load_all(done.stdout) if document]
    for document in theirs:
        if document["kind"] == "Secret":  # kustomize breaks long values into lines
            pairs = document["data"].items()
            document["data"] = {key: "".join(value.split()) for key, value in pairs}
    assert sorted(kustomize.render(whole), key=name_of) == sorted(theirs, key=name_of)


def test_a_field_that_the_renderer_does_not_know_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("replacements: []", encoding="utf-8")
    with pytest.raises(ValueError, match="replacements"):
        kustomize.render(tmp_path)


def test_overlays_and_components_are_found() -> None:
    assert OVERLAYS
    assert COMPONENTS


def test_the_base_holds_two_workloads_and_no_secret(base: list[Document]) -> None:
    assert [owner for owner, _ in find_pods(base)] == ["Deployment/mlflow", "StatefulSet/postgres"]
    assert not [d for d in base if d["kind"] == "Secret"]


def test_mlflow_starts_without_keys_and_without_authorities(base: list[Document]) -> None:
    needed = {(kind, name) for _, kind, name, _ in find_references(base) if kind == "Secret"}
    assert needed == {("Secret", "squadron-postgres")}
    for name in ("squadron-s3", "squadron-ca", "squadron-config"):
        assert name not in {n for owner, _, n, _ in find_references(base) if "mlflow" in owner}


def test_external_secrets_are_documented() -> None:
    text = (MANIFESTS / "README.md").read_text(encoding="utf-8")
    for (_, name), keys in EXTERNAL.items():
        assert {word for word in [name, *keys] if f"`{word}`" not in text} == set()


def test_every_file_is_used() -> None:
    for path in MANIFESTS.rglob("kustomization.yaml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        env_files = [file for s in content.get("secretGenerator", []) for file in s["envs"]]
        named = {*content["resources"], *env_files, "kustomization.yaml"}
        assert {file.name for file in path.parent.iterdir()} <= named


def test_a_component_changes_the_base(tmp_path: Path) -> None:
    before = render(BASE, tmp_path)
    for component in COMPONENTS:
        assert len(render(component, make_folder(tmp_path, component.name))) > len(before)


def test_a_served_model_ends_in_time_and_is_asked_what_it_answers(tmp_path: Path) -> None:
    documents = render(MANIFESTS / "components" / "serve", tmp_path.resolve())
    spec = find(documents, "Deployment", "squadron-serve")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    settings = Settings()
    limits = settings.drain_seconds + settings.request_seconds + settings.body_seconds
    assert spec["terminationGracePeriodSeconds"] > limits
    ready = container["readinessProbe"]
    # A probe that just missed SIGTERM must not be the last one before the drain ends.
    assert ready["periodSeconds"] * ready["failureThreshold"] < settings.drain_seconds
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in OPEN
    assert container["command"] == ["squadron-serve"]
    assert {TOKEN_VARIABLE, "MODEL_URI"} <= {variable["name"] for variable in container["env"]}


def make_folder(parent: Path, name: str) -> Path:
    folder = parent.resolve() / name
    folder.mkdir()
    return folder


def pod_of(documents: list[Document]) -> Document:
    spec: Document = find(documents, "Deployment", "mlflow")["spec"]["template"]["spec"]
    return spec


def container_of(documents: list[Document]) -> Document:
    container: Document = pod_of(documents)["containers"][0]
    return container


def drop(documents: list[Document], kind: str, name: str) -> None:
    documents.remove(find(documents, kind, name))


def add_secret(documents: list[Document], value: str) -> None:
    data = {"AWS_SECRET_ACCESS_KEY": base64.b64encode(value.encode()).decode()}
    space = {"name": "squadron-s3", "namespace": "squadron"}
    documents.append({"apiVersion": "v1", "kind": "Secret", "metadata": space, "data": data})


def add_volume(documents: list[Document], volume: Document) -> None:
    pod_of(documents)["volumes"].append({"name": "more", **volume})


def set_security(documents: list[Document], **values: Any) -> None:
    container_of(documents)["securityContext"].update(values)


def set_policy(documents: list[Document], name: str, **values: Any) -> None:
    find(documents, "NetworkPolicy", name)["spec"].update(values)


def set_data(documents: list[Document], name: str, **values: str) -> None:
    find(documents, "ConfigMap", name)["data"].update(values)


def set_rule(documents: list[Document], **values: Any) -> None:
    find(documents, "Role", "squadron-runner")["rules"][-1].update(values)


def drop_name(documents: list[Document]) -> None:
    del find(documents, "Role", "squadron-runner")["rules"][-1]["resourceNames"]


def add_budget(documents: list[Document], **changes: Any) -> None:
    """Adds a disruption budget for MLflow."""
    labels = {"matchLabels": {"app.kubernetes.io/name": "mlflow"}}
    spec = {"maxUnavailable": 1, "selector": labels, **changes}
    metadata = {"name": "mlflow", "namespace": "squadron"}
    documents.append({"kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec})


def add_autoscaler(documents: list[Document], name: str) -> None:
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": scaled, "maxReplicas": 2}
    metadata = {"name": "scaled", "namespace": "squadron"}
    documents.append({"kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec})


BREAKS: list[tuple[Checker, Callable[[list[Document]], object], str]] = [
    (check_schemas, lambda d: pod_of(d).update(restartpolicy="Always"), "restartpolicy"),
    (check_schemas, lambda d: find(d, "Service", "mlflow").update(kind="Servic"), "Servic"),
    (check_namespaces, lambda d: drop(d, "Namespace", "squadron"), "0 Namespace"),
    (
        check_namespaces,
        lambda d: find(d, "Namespace", "squadron")["metadata"].pop("labels"),
        "not restricted",
    ),
    (
        check_namespaces,
        lambda d: find(d, "Service", "mlflow")["metadata"].update(namespace="default"),
        "namespace default",
    ),
    (check_labels, lambda d: find(d, "Service", "mlflow")["metadata"].pop("labels"), "no label"),
    (
        check_labels,
        lambda d: find(d, "Role", "squadron-runner")["metadata"].pop("labels"),
        "part-of",
    ),
    (
        check_namespaces,
        lambda d: find(d, "Namespace", "squadron")["metadata"]["labels"].update(
            {"app.kubernetes.io/part-of": "squadron"}
        ),
        "part-of is not kubeflow-profile",
    ),
    (check_pod_security, lambda d: pod_of(d).update(hostNetwork=True), "hostNetwork"),
    (check_pod_security, lambda d: pod_of(d).update(hostPID=True), "hostPID"),
    (check_pod_security, lambda d: pod_of(d).update(hostIPC=True), "hostIPC"),
    (
        check_pod_security,
        lambda d: pod_of(d)["securityContext"].update(sysctls=[{"name": "a", "value": "1"}]),
        "sysctls",
    ),
    (check_pod_security, lambda d: add_volume(d, {"hostPath": {"path": "/"}}), "is a hostPath"),
    (check_pod_security, lambda d: add_volume(d, {"nfs": {"server": "a"}}), "is a nfs"),
    (
        check_pod_security,
        lambda d: container_of(d)["ports"][0].update(hostPort=5000),
        "hostPort 5000",
    ),
    (check_pod_security, lambda d: set_security(d, runAsNonRoot=False), "runAsNonRoot"),
    (check_pod_security, lambda d: set_security(d, runAsUser=0), "runAsUser is 0"),
    (
        check_pod_security,
        lambda d: set_security(d, seccompProfile={"type": "Unconfined"}),
        "seccompProfile",
    ),
    (check_pod_security, lambda d: set_security(d, privileged=True), "privileged"),
    (
        check_pod_security,
        lambda d: set_security(d, allowPrivilegeEscalation=None),
        "allowPrivilegeEscalation",
    ),
    (check_pod_security, lambda d: set_security(d, procMount="Unmasked"), "procMount"),
    (check_pod_security, lambda d: set_security(d, readOnlyRootFilesystem=False), "readOnlyRoot"),
    (check_pod_security, lambda d: set_security(d, capabilities={}), "ALL is not dropped"),
    (
        check_pod_security,
        lambda d: set_security(d, capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
        "capabilities: added",
    ),
    (
        check_pod_security,
        lambda d: pod_of(d).update(initContainers=[{"name": "first", "image": "a:1"}]),
        "first: allowPrivilegeEscalation",
    ),
    (check_references, lambda d: drop(d, "ConfigMap", "mlflow"), "does not exist"),
    (check_references, lambda d: drop(d, "ServiceAccount", "mlflow"), "does not exist"),
    (check_references, lambda d: drop(d, "Role", "squadron-runner"), "does not exist"),
    (check_references, lambda d: drop(d, "Service", "postgres"), "does not exist"),
    (
        check_references,
        lambda d: find(d, "ConfigMap", "mlflow")["data"].pop("MLFLOW_ARTIFACTS_DESTINATION"),
        "has no key MLFLOW_ARTIFACTS_DESTINATION",
    ),
    (check_references, lambda d: add_secret(d, "CHANGE-ME"), "Secret/squadron-postgres does not"),
    (check_references, lambda d: add_autoscaler(d, "typo"), "Deployment/typo does not exist"),
    (check_references, lambda d: pod_of(d).update(volumes=[]), "no volume tmp"),
    (
        check_references,
        lambda d: container_of(d)["args"].append("--app-name=$(NOBODY)"),
        "$(NOBODY) is not in env",
    ),
    (check_images, lambda d: container_of(d).update(image="squadron:latest"), "no fixed tag"),
    (check_images, lambda d: container_of(d).update(image="host:5000/squadron"), "no fixed tag"),
    (check_resources, lambda d: container_of(d)["resources"].pop("limits"), "no limits.memory"),
    (check_resources, lambda d: add_volume(d, {"emptyDir": {}}), "no sizeLimit"),
    (check_probes, lambda d: container_of(d).pop("startupProbe"), "no startupProbe"),
    (check_network, lambda d: drop(d, "NetworkPolicy", "default-deny"), "denies ingress"),
    (check_network, lambda d: set_policy(d, "default-deny", egress=[{}]), "denies ingress"),
    (check_network, lambda d: drop(d, "NetworkPolicy", "mlflow"), "lets port http in"),
    (check_network, lambda d: set_policy(d, "postgres", ingress=[]), "lets port postgres in"),
    (
        check_network,
        lambda d: set_policy(d, "mlflow", podSelector={"matchLabels": {"app": "typo"}}),
        "NetworkPolicy/mlflow: selects no pod",
    ),
    (check_network, lambda d: drop(d, "Service", "mlflow"), "no Service selects"),
    (
        check_network,
        lambda d: find(d, "Service", "mlflow")["spec"].update(selector={"app": "typo"}),
        "Service/mlflow: selects no pod",
    ),
    (
        check_network,
        lambda d: find(d, "Service", "mlflow")["spec"]["ports"][0].update(targetPort=5001),
        "has no port 5001",
    ),
    (
        check_disruptions,
        lambda d: add_budget(d, selector={"matchLabels": {"app": "typo"}}),
        "selects no pod",
    ),
    (check_disruptions, lambda d: add_budget(d, maxUnavailable=0), "could never be emptied"),
    (
        check_addresses,
        lambda d: set_data(d, "mlflow", MLFLOW_SERVER_ALLOWED_HOSTS="mlflow:5000"),
        "403",
    ),
    (
        check_addresses,
        lambda d: set_data(d, "mlflow", MLFLOW_SERVER_ALLOWED_HOSTS="mlflow"),
        "has no port",
    ),
    (
        check_addresses,
        lambda d: set_data(d, "squadron-config", MLFLOW_TRACKING_URI="http://mlflow.other:5000"),
        "no Service for",
    ),
    (check_permissions, lambda d: set_rule(d, verbs=["*"]), "wildcard"),
    (check_permissions, drop_name, "every Secret"),
    (
        check_permissions,
        lambda d: find(d, "Role", "squadron-runner").update(kind="ClusterRole"),
        "beyond the namespace",
    ),
    (
        check_permissions,
        lambda d: find(d, "ServiceAccount", "mlflow").pop("automountServiceAccountToken"),
        "has no use for",
    ),
    (check_secrets, lambda d: add_secret(d, "wJalrXUtnFEMI"), "a placeholder"),
]


@pytest.mark.parametrize(
    ("check", "damage", "message"), BREAKS, ids=[f"{c.__name__}-{m}" for c, _, m in BREAKS]
)
def test_a_broken_document_is_caught(
    check: Checker,
    damage: Callable[[list[Document]], object],
    message: str,
    base: list[Document],
) -> None:
    damage(base)
    assert any(message in problem for problem in check(base)), check(base)


def test_every_checker_has_a_broken_document() -> None:
    assert {check for check, _, _ in BREAKS} == set(CHECKERS)
