"""Real servers for tests: PostgreSQL of several majors, and an S3 store, on loopback ports and in temporary folders."""
