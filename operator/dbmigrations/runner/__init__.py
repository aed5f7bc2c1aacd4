"""The programs that run inside Jobs: inspect, backup, gate and guard.

A program reads ``DBM_CONFIG`` (what to do) and the application's own variables (where the database is), and leaves one
JSON object as the container's termination message. Nothing here knows Kubernetes.
"""
