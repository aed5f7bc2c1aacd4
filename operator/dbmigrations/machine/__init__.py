"""The state machine: what was observed goes in, one decision comes out. No I/O, no clock, no Kopf, no Kubernetes."""
