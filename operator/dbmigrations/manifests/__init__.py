"""Builders of Jobs and of the patches of workloads: pure functions that return plain dictionaries."""
