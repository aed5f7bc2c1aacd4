"""The Kubernetes edge: a narrow port, its implementation with the official client, what is read and what is done."""
