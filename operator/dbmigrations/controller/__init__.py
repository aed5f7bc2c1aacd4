"""The process: Kopf as source of events, a work queue, the reconcile loop, metrics, settings, entry point."""
