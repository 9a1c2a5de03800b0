"""Reads an exporter as Prometheus does: from a native thread, while gevent serves."""

from __future__ import annotations

import urllib.error
import urllib.request

import gevent
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(url: str) -> tuple[int, str]:
    """Status and body."""

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    found: tuple[int, str] = gevent.get_hub().threadpool.apply(ask)
    return found


def samples(text: str) -> Samples:
    """Each sample's value by its name and labels."""
    return {(s.name, frozenset(s.labels.items())): s.value for family in text_string_to_metric_families(text) for s in family.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    """That of the one sample with this name and these labels among its own. Raises ValueError where it is not one."""
    (only,) = [v for (n, own), v in found.items() if n == name and labels.items() <= dict(own).items()]
    return only
