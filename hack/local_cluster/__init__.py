"""A real single-node Kubernetes from Go modules and Debian packages, spoken to in kind's words.

    cli            the commands, and the one-line errors
    docker         hands over to the real kind and docker where an engine answers
    machine        what the machine must have, and the Debian packages that are installed for it
    tools          kubectl, etcd, … built once by version into the cache
    layout         a cluster's names, addresses and folders
    registry       which clusters exist, and who may change one
    lifecycle      create and delete, step by step
    namespaces     starts the node in namespaces of its own;  supervisor: the node's first process
    pki, kubeconfig, network, cgroups, containerd, control_plane, node, addons    the parts of a node
    base, build, load    the base image, image builds, and their way into a cluster
    processes, commands, progress, settings, errors    small common ground

Only the standard library is used, so that it runs before any virtual environment exists.
"""
