"""Tests of hack/localkube. Those that need a real cluster are marked `cluster`."""
