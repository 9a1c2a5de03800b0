"""A Grafana dashboard: its variables, its links to the others, the alerts marked in its charts, and rows of panels."""

from __future__ import annotations

import json
from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as d

from monitoring.panels import SOURCE, Panel
from reporting.run_families import RUN_INFO

WIDTH = 24
"""Columns of Grafana's grid."""
TAG = "doubletalk"

Rows = Sequence[tuple[str, Sequence[Panel]]]
"""Title and panels of each row, from top to bottom; panels fill a row from left to right."""


def board(uid: str, title: str, text: str, rows: Rows, since: str = "now-30m") -> str:
    """The dashboard as JSON that Grafana's provisioning reads. `since`: where its time range begins."""
    made = (
        dashboard.Dashboard(title).uid(uid).description(text).tags([TAG]).readonly().timezone("browser")
        .time(since, "now").refresh("10s").tooltip(d.DashboardCursorSync.CROSSHAIR)
        .link(dashboard.DashboardLink("Doubletalk").type(d.DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(True)
              .include_vars(True).keep_time(True).icon("external link").tooltip("").url(""))
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("scenario", "Scenario", f"label_values({RUN_INFO.name}, scenario)"))
        .with_variable(_choice("dialect", "Dialect", f'label_values({RUN_INFO.name}{{scenario=~"$scenario"}}, dialect)'))
        .annotation(dashboard.AnnotationQuery().name("Alerts").datasource(SOURCE).enable(True).icon_color("red")
                    .expr('max by (alertname, severity) (ALERTS{alertstate="firing"})'))
    )  # fmt: skip
    for title, panels in rows:
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(panel)
    built = made.build()
    for number, placed in enumerate(built.panels or [], start=1):
        placed.id_val = number
    return json.dumps(built, cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A variable whose values Prometheus knows; all of them unless some are chosen."""
    everything = d.VariableOption(selected=True, text="All", value="$__all")
    return (
        dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(query).refresh(d.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(d.VariableSort.ALPHABETICAL_ASC).multi(True).include_all(True).all_value(".*").current(everything)
    )  # fmt: skip
