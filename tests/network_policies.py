"""Finds the NetworkPolicies that let one pod or address reach another.

It follows the API reference of networking.k8s.io/v1. A pod that no policy selects is open; a pod
that one selects is closed but for what the policies name. Traffic needs both sides: the sender's
egress and the receiver's ingress.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]

OPEN = "no policy"
"""Stands for a side that no policy closes."""


@dataclass(frozen=True)
class Pod:
    """A pod and the labels of its namespace."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Address:
    """An address that belongs to no pod: a server outside of the cluster, or a node."""

    ip: str


@dataclass(frozen=True)
class Verdict:
    """The policies of each side that admit a connection. It passes if both sides have one."""

    egress: tuple[str, ...]
    ingress: tuple[str, ...]

    @property
    def passes(self) -> bool:
        return bool(self.egress and self.ingress)


def judge(
    policies: list[Document],
    source: Pod | Address,
    target: Pod | Address,
    port: int,
    protocol: str = "TCP",
) -> Verdict:
    """Decides about one connection.

    Args:
        policies: NetworkPolicy documents of all namespaces; other documents are ignored.
        source: Who opens the connection.
        target: Whom it reaches.
        port: The port of the target's pod, not of a Service in front of it.
        protocol: TCP, UDP or SCTP.
    """
    own = [document for document in policies if document["kind"] == "NetworkPolicy"]
    return Verdict(
        egress=_side(own, "Egress", source, target, port, protocol),
        ingress=_side(own, "Ingress", target, source, port, protocol),
    )


def _side(
    policies: list[Document],
    direction: str,
    guarded: Pod | Address,
    peer: Pod | Address,
    port: int,
    protocol: str,
) -> tuple[str, ...]:
    if isinstance(guarded, Address):  # policies guard only pods
        return (OPEN,)
    closing = [policy for policy in policies if _closes(policy, direction, guarded)]
    if not closing:
        return (OPEN,)
    peers = "to" if direction == "Egress" else "from"
    return tuple(
        policy["metadata"]["name"]
        for policy in closing
        if any(
            _names_port(rule.get("ports", []), port, protocol)
            and _names_peer(rule.get(peers, []), peer, policy["metadata"]["namespace"])
            for rule in policy["spec"].get(direction.lower()) or []
        )
    )


def _closes(policy: Document, direction: str, pod: Pod) -> bool:
    spec = policy["spec"]
    # Without policyTypes a policy is about ingress, and about egress if it has such rules.
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return (
        direction in types
        and policy["metadata"]["namespace"] == pod.namespace
        and selects(spec["podSelector"], pod.labels)
    )


def _names_port(ports: list[Document], port: int, protocol: str) -> bool:
    if not ports:
        return True
    for each in ports:
        if isinstance(each.get("port"), str):
            raise ValueError(f"port {each['port']!r}: give the number of the port")
        first = each.get("port", port)
        inside = first <= port <= each.get("endPort", first)
        if inside and each.get("protocol", "TCP") == protocol:
            return True
    return False


def _names_peer(peers: list[Document], peer: Pod | Address, namespace: str) -> bool:
    return not peers or any(_is_peer(each, peer, namespace) for each in peers)


def _is_peer(rule: Document, peer: Pod | Address, namespace: str) -> bool:
    if isinstance(peer, Address):
        block = rule.get("ipBlock")
        if block is None:
            return False
        ip = ipaddress.ip_address(peer.ip)
        left_out = any(ip in ipaddress.ip_network(part) for part in block.get("except", []))
        return ip in ipaddress.ip_network(block["cidr"]) and not left_out
    # Many network plugins never match a pod by its address, so ipBlock matches no pods here.
    if "ipBlock" in rule:
        return False
    if "namespaceSelector" in rule:
        names = {**peer.namespace_labels, "kubernetes.io/metadata.name": peer.namespace}
        in_namespace = selects(rule["namespaceSelector"], names)
    else:
        in_namespace = peer.namespace == namespace
    return in_namespace and selects(rule.get("podSelector", {}), peer.labels)


def selects(selector: Document, labels: Mapping[str, str]) -> bool:
    """Says whether a label selector matches; an empty one matches everything."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        value = labels.get(rule["key"])
        matches = {
            "Exists": value is not None,
            "DoesNotExist": value is None,
            "In": value in rule.get("values", []),
            "NotIn": value not in rule.get("values", []),
        }
        if not matches[rule["operator"]]:
            return False
    return True
