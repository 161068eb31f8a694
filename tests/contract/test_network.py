"""Checks who reaches whom in a cluster, by manifests/ and the policy of Kubeflow's store.

tests/network_policies.py evaluates the policies; here stand the pods, the servers and the answers.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tests import kustomize
from tests.contract.test_manifests import COMPONENTS, MANIFESTS, WHOLE, Document, find, find_pods
from tests.contract.test_manifests import render as render_folder
from tests.network_policies import OPEN, Address, Pod, Verdict, judge

KFP_POLICY = Path(__file__).resolve().parents[1] / "fixtures" / "kfp_seaweedfs_policy.yaml"
RUN = {"workflows.argoproj.io/workflow": "squadron-x7k2p"}  # Argo labels every pod of a run

SEAWEEDFS = Pod("kubeflow", {"app": "seaweedfs"})
KUBEFLOW_RUN = Pod("kubeflow", RUN)
STRANGER = Pod("elsewhere", {"app.kubernetes.io/name": "mlflow"})
KUBE_DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
INTERNET = Address("93.184.216.34")
PRIVATE_STORE = Address("10.20.30.40")
CLOUD_METADATA = Address("169.254.169.254")

NOBODY: tuple[str, ...] = ()


class Cluster:
    """One rendering, with its pods."""

    def __init__(self, documents: list[Document]) -> None:
        (space,) = [d["metadata"] for d in documents if d["kind"] == "Namespace"]
        pods = {owner: pod["metadata"]["labels"] for owner, pod in find_pods(documents)}
        labels = space["labels"]
        self.mlflow = Pod(space["name"], pods["Deployment/mlflow"], labels)
        self.postgres = Pod(space["name"], pods["StatefulSet/postgres"], labels)
        self.step = Pod(space["name"], RUN, labels)
        self.serve = Pod(space["name"], pods.get("Deployment/squadron-serve", {}), labels)
        self.policies = [*documents, yaml.safe_load(KFP_POLICY.read_text(encoding="utf-8"))]

    def judge(self, source: Pod | Address, target: Pod | Address, port: int) -> Verdict:
        return judge(self.policies, source, target, port)


def render(folder: Path, scratch: Path) -> Cluster:
    return Cluster(render_folder(folder, scratch.resolve()))


@pytest.fixture(params=WHOLE, ids=lambda path: path.relative_to(MANIFESTS).as_posix())
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def cluster(folder: Path, tmp_path: Path) -> Cluster:
    return render(folder, tmp_path)


def has(folder: Path, component: str) -> bool:
    content = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    used = {Path(path).name for path in content.get("components", [])}
    return component in used or (folder in COMPONENTS and folder.name == component)


def test_mlflow_and_steps_reach_the_object_store_of_kubeflow(cluster: Cluster) -> None:
    assert cluster.judge(cluster.mlflow, SEAWEEDFS, 8333) == Verdict(("mlflow",), ("seaweedfs",))
    assert cluster.judge(cluster.step, SEAWEEDFS, 8333) == Verdict(("steps",), ("seaweedfs",))


def test_a_relabelled_namespace_is_refused_by_the_object_store(tmp_path: Path) -> None:
    documents = render_folder(MANIFESTS / "base", tmp_path)
    labels = find(documents, "Namespace", "squadron")["metadata"]["labels"]
    labels["app.kubernetes.io/part-of"] = "squadron"
    cluster = Cluster(documents)
    assert cluster.judge(cluster.mlflow, SEAWEEDFS, 8333) == Verdict(("mlflow",), NOBODY)
    assert cluster.judge(cluster.step, SEAWEEDFS, 8333) == Verdict(("steps",), NOBODY)


def test_the_object_store_admits_only_its_s3_port(cluster: Cluster) -> None:
    for port in (8111, 8888, 9333):
        assert cluster.judge(cluster.step, SEAWEEDFS, port).ingress == NOBODY
    assert cluster.judge(STRANGER, SEAWEEDFS, 8333).ingress == NOBODY
    assert cluster.judge(KUBEFLOW_RUN, SEAWEEDFS, 8333) == Verdict((OPEN,), ("seaweedfs",))


def test_steps_reach_mlflow_and_nobody_but_mlflow_reaches_the_database(cluster: Cluster) -> None:
    assert cluster.judge(cluster.step, cluster.mlflow, 5000) == Verdict(("steps",), ("mlflow",))
    assert cluster.judge(cluster.mlflow, cluster.postgres, 5432) == Verdict(
        ("mlflow",), ("postgres",)
    )
    assert cluster.judge(cluster.step, cluster.postgres, 5432) == Verdict(NOBODY, NOBODY)
    assert cluster.judge(STRANGER, cluster.postgres, 5432).ingress == NOBODY


def test_runs_in_kubeflow_reach_mlflow_where_the_component_says_so(
    folder: Path, cluster: Cluster
) -> None:
    admitted = ("mlflow-from-kubeflow",) if has(folder, "runs-in-kubeflow") else NOBODY
    assert cluster.judge(KUBEFLOW_RUN, cluster.mlflow, 5000).ingress == admitted
    # A label alone opens nothing: the namespace must match, and in Kubeflow's also the run.
    assert cluster.judge(STRANGER, cluster.mlflow, 5000).ingress == NOBODY
    assert cluster.judge(Pod("kubeflow"), cluster.mlflow, 5000).ingress == NOBODY


def test_nothing_enters_a_step(cluster: Cluster) -> None:
    for source in (cluster.mlflow, KUBEFLOW_RUN, STRANGER, INTERNET):
        for port in (80, 5000, 8080):
            assert cluster.judge(source, cluster.step, port).ingress == NOBODY


def test_the_internet_is_reached_only_where_a_component_opens_it(
    folder: Path, cluster: Cluster
) -> None:
    hub = ("public-hub",) if has(folder, "public-hub") else NOBODY
    store = ("public-s3",) if has(folder, "public-s3") else NOBODY
    assert cluster.judge(cluster.step, INTERNET, 443).egress == (*hub, *store)
    assert cluster.judge(cluster.mlflow, INTERNET, 443).egress == store
    assert cluster.judge(cluster.postgres, INTERNET, 443).egress == NOBODY
    assert cluster.judge(cluster.step, INTERNET, 80).egress == NOBODY


def test_nobody_reaches_the_metadata_service_of_a_cloud(cluster: Cluster) -> None:
    for pod in (cluster.step, cluster.mlflow, cluster.postgres):
        for port in (80, 443):
            assert not cluster.judge(pod, CLOUD_METADATA, port).passes


def test_private_stores_and_the_kubernetes_api_are_reached(cluster: Cluster) -> None:
    for port in (443, 9000, 8333, 7480):
        assert cluster.judge(cluster.step, PRIVATE_STORE, port) == Verdict(("steps",), (OPEN,))
        assert cluster.judge(cluster.mlflow, PRIVATE_STORE, port) == Verdict(("mlflow",), (OPEN,))
    assert cluster.judge(cluster.step, PRIVATE_STORE, 6443).passes
    assert not cluster.judge(cluster.mlflow, PRIVATE_STORE, 6443).passes


def test_every_pod_may_look_names_up(cluster: Cluster) -> None:
    for pod in (cluster.step, cluster.mlflow, cluster.postgres):
        for protocol in ("UDP", "TCP"):
            verdict = judge(cluster.policies, pod, KUBE_DNS, 53, protocol)
            assert verdict == Verdict(("dns",), (OPEN,))


# The component `serve`.


@pytest.fixture
def serving(tmp_path: Path) -> Cluster:
    return render(MANIFESTS / "components" / "serve", tmp_path)


def test_a_served_model_comes_from_mlflow_and_reaches_nothing_else(serving: Cluster) -> None:
    name = ("squadron-serve",)
    assert serving.judge(serving.serve, serving.mlflow, 5000) == Verdict(name, ("mlflow",))
    for target in (serving.postgres, serving.step, SEAWEEDFS, PRIVATE_STORE, INTERNET):
        for port in (443, 5432, 8333):
            assert serving.judge(serving.serve, target, port).egress == NOBODY
    assert not serving.judge(serving.serve, CLOUD_METADATA, 80).passes
    assert judge(serving.policies, serving.serve, KUBE_DNS, 53, "UDP").passes


def test_the_namespace_asks_a_served_model_and_nobody_else_does(serving: Cluster) -> None:
    neighbour = Pod("squadron", {"app.kubernetes.io/name": "shop"})
    assert serving.judge(neighbour, serving.serve, 8080).ingress == ("squadron-serve",)
    assert serving.judge(neighbour, serving.serve, 22).ingress == NOBODY
    for source in (STRANGER, KUBEFLOW_RUN, INTERNET):
        assert serving.judge(source, serving.serve, 8080).ingress == NOBODY


def test_a_store_on_the_internet_is_not_opened_to_a_served_model(tmp_path: Path) -> None:
    parts = [MANIFESTS / "components" / name for name in ("serve", "public-s3")]
    lists = {
        "resources": [os.path.relpath(MANIFESTS / "base", tmp_path.resolve())],
        "components": [os.path.relpath(part, tmp_path.resolve()) for part in parts],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(lists), encoding="utf-8")
    both = Cluster(kustomize.render(tmp_path))
    assert both.judge(both.mlflow, INTERNET, 443).egress == ("public-s3",)
    assert both.judge(both.serve, INTERNET, 443).egress == NOBODY


# The evaluator itself.


def policy(**spec: object) -> Document:
    metadata = {"name": "one", "namespace": "here"}
    return {"kind": "NetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}, **spec}}


HERE, THERE = Pod("here"), Pod("there", {"a": "b"}, {"team": "red"})
PEERS = {
    "no peers": ([], THERE, True),
    "own pods": ([{"podSelector": {}}], THERE, False),
    "another namespace": ([{"namespaceSelector": {}}], THERE, True),
    "its label": ([{"namespaceSelector": {"matchLabels": {"team": "red"}}}], THERE, True),
    "other label": ([{"namespaceSelector": {"matchLabels": {"team": "blue"}}}], THERE, False),
    "name": (
        [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "there"}}}],
        THERE,
        True,
    ),
    "both must match": (
        [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "c"}}}],
        THERE,
        False,
    ),
    "either may match": (
        [{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {"team": "red"}}}],
        THERE,
        True,
    ),
    "block": ([{"ipBlock": {"cidr": "10.0.0.0/8"}}], Address("10.1.2.3"), True),
    "except": (
        [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
        Address("10.1.2.3"),
        False,
    ),
    "no pod by block": ([{"ipBlock": {"cidr": "0.0.0.0/0"}}], THERE, False),
}


@pytest.mark.parametrize(("peers", "other", "passes"), PEERS.values(), ids=PEERS)
def test_peers_are_judged_as_kubernetes_does(
    peers: list[Document], other: Pod | Address, passes: bool
) -> None:
    inward = policy(policyTypes=["Ingress"], ingress=[{"from": peers}])
    assert judge([inward], other, HERE, 80).passes is passes
    outward = policy(policyTypes=["Egress"], egress=[{"to": peers}])
    assert judge([outward], HERE, other, 80).passes is passes


def test_without_types_a_policy_closes_egress_only_if_it_has_such_rules() -> None:
    assert judge([policy()], HERE, THERE, 80) == Verdict((OPEN,), (OPEN,))
    assert judge([policy()], THERE, HERE, 80) == Verdict((OPEN,), NOBODY)
    assert judge([policy(egress=[])], HERE, THERE, 80) == Verdict(NOBODY, (OPEN,))


def test_ports_have_a_protocol_and_may_be_a_range() -> None:
    rule = {"ports": [{"port": 80, "endPort": 90}, {"port": 53, "protocol": "UDP"}]}
    policies = [policy(ingress=[rule])]
    answers = {(79, "TCP"): False, (85, "TCP"): True, (91, "TCP"): False}
    answers |= {(53, "TCP"): False, (53, "UDP"): True}
    for (port, protocol), passes in answers.items():
        assert judge(policies, THERE, HERE, port, protocol).passes is passes
