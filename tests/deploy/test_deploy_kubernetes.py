"""The Kubernetes manifests: Kubernetes' own schemas, the operator's, and the rules that each pod keeps."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from deploy_files import IMAGE, KUBERNETES, OPERATORS, VERSION, container, locusttest, manifests, pods

RELEASES = ("1.30", "1.37")
"""The oldest and the newest release of Kubernetes that the manifests are checked against."""
SCHEMA = json.loads((Path(__file__).parent / "locusttest.schema.json").read_text(encoding="utf-8"))

each_pod = pytest.mark.parametrize("name", sorted(pods()))


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("kind", "name"), sorted(manifests()))
def test_a_manifest_keeps_to_the_schema(kind: str, name: str, release: str) -> None:
    kubernetes_validate.validate(manifests()[kind, name], release, strict=True)


def test_a_wrong_manifest_would_be_noticed() -> None:
    wrong = copy.deepcopy(manifests()["Deployment", "worker"])
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 60
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, RELEASES[-1], strict=True)


def test_every_file_is_applied_or_said_to_stand_alone() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))
    assert {path.name for path in KUBERNETES.iterdir()} == {*listed["resources"], "kustomization.yaml", OPERATORS.name}
    assert listed["images"] == [{"name": IMAGE.split(":")[0], "newTag": VERSION}]
    assert ("Namespace", listed["namespace"]) in manifests()


def test_master_worker_and_assistant_are_there() -> None:
    assert set(pods()) == {"master", "worker", "assistant"}


@each_pod
def test_a_pod_may_do_no_more_than_it_must(name: str) -> None:
    # What the namespace's own label demands of each pod, and a read-only image besides.
    spec = pods()[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    only = container(pods()[name])
    assert only["image"] == IMAGE
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["name"] for mount in only["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    assert "/tmp" in {mount["mountPath"] for mount in only["volumeMounts"]}


@each_pod
def test_a_pod_is_one_cores_work(name: str) -> None:
    resources = container(pods()[name])["resources"]
    assert resources["requests"]["cpu"] == "1"
    assert int(resources["limits"]["cpu"]) > 1
    assert {"cpu", "memory"} == set(resources["requests"]) == set(resources["limits"])


@each_pod
def test_a_probe_is_slow_to_restart_and_quick_to_start(name: str) -> None:
    only = container(pods()[name])
    live, start = only["livenessProbe"], only["startupProbe"]
    assert live["failureThreshold"] * live["periodSeconds"] >= 120
    assert start["failureThreshold"] * start["periodSeconds"] >= 60
    assert "readinessProbe" in only
    ports = {port["name"] for port in only["ports"]}
    assert all(probe["httpGet"]["port"] in ports for probe in (live, start, only["readinessProbe"]) if "httpGet" in probe)


@each_pod
def test_a_deployment_finds_its_own_pods(name: str) -> None:
    deployment = manifests()["Deployment", name]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels
    assert labels["app.kubernetes.io/component"] == name
    assert deployment["strategy"] == {"type": "Recreate"}
    port = deployment["template"]["metadata"]["annotations"]["prometheus.io/port"]
    assert int(port) in {p["containerPort"] for p in container(deployment["template"])["ports"]}


@pytest.mark.parametrize("name", ["master", "assistant"])
def test_a_service_leads_to_ports_of_its_pods(name: str) -> None:
    service = manifests()["Service", name]["spec"]
    assert service["selector"] == pods()[name]["metadata"]["labels"]
    open_ports = {port["name"]: port["containerPort"] for port in container(pods()[name])["ports"]}
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == open_ports
    assert "type" not in service  # inside the cluster only


def lets_in(name: str) -> set[tuple[str, int]]:
    """Who may reach a pod at which port, by the policies: the component, or the namespace of others."""
    found = set()
    for (kind, _), policy in manifests().items():
        spec = policy.get("spec", {})
        if kind != "NetworkPolicy" or spec["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/component", name) != name:
            continue
        for rule in spec.get("ingress", []):
            found |= {(who, port["port"]) for source in rule["from"] for who in names_of(source) for port in rule["ports"]}
    return found


def names_of(source: Any) -> list[str]:
    namespace = source.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
    if namespace:
        return [namespace]
    selector = source["podSelector"]
    if "matchLabels" in selector:
        return [selector["matchLabels"]["app.kubernetes.io/component"]]
    (expression,) = selector["matchExpressions"]
    assert expression["operator"] == "In"
    return expression["values"]


def test_nobody_gets_in_but_those_who_must() -> None:
    assert manifests()["NetworkPolicy", "nobody"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    scraped = {("monitoring", 9646), ("monitoring", 8000)}
    assert lets_in("master") == scraped | {("worker", 5557)}
    assert lets_in("worker") == scraped
    assert lets_in("assistant") == scraped | {("master", 8000), ("worker", 8000)}


def test_a_key_comes_from_a_secret_or_not_at_all() -> None:
    for name in ("master", "worker"):
        (variable,) = container(pods()[name])["env"]
        assert variable == {
            "name": "OPENAI_API_KEY",
            "valueFrom": {"secretKeyRef": {"name": "doubletalk-keys", "key": "openai", "optional": True}},
        }
    assert ("Secret", "doubletalk-keys") not in manifests()
    told = {*manifests()["ConfigMap", "doubletalk-settings"]["data"], *(v["name"] for v in locusttest()["spec"]["env"])}
    assert not {name for name in told if re.search("KEY|PASSWORD|SECRET", name)}


def test_the_operators_resource_keeps_to_what_it_reads() -> None:
    jsonschema.validate(locusttest(), SCHEMA)
    assert locusttest()["spec"]["image"] == IMAGE
    wrong = copy.deepcopy(locusttest())
    wrong["spec"]["worker"]["replicas"] = 4
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


@pytest.mark.parametrize("role", ["master", "worker"])
def test_the_operators_talkers_may_call_the_assistant(role: str) -> None:
    labels = locusttest()["spec"][role]["labels"]
    assert (labels["app.kubernetes.io/component"], 8000) in lets_in("assistant")
