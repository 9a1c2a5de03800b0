"""What Prometheus, Alertmanager and Grafana are given: configuration by hand, dashboards and recording rules from the catalogue."""
