"""One real cluster for all tests that need one, by pytest-kind: kind where Docker runs, else the project's own.

`tests/conftest.py` loads `tests.cluster.fixtures`, so every test may ask for:

    cluster          session: a `Cluster` (kubectl, helm, plain HTTP requests) that is ready; made where there is none
    namespace        a fresh namespace under restricted Pod Security; its objects' finalizers and itself go afterwards
    new_namespace    the same as a function, for tests that need several

    def test_x(cluster: Cluster, namespace: str) -> None:
        cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=manifest)
        assert cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods").body["items"] == []

pytest-kind's own options keep their meaning; where they are not given, they are

    --cluster-name dbm-test
    --kind-bin hack/localkube                 which hands over to the real kind where a Docker engine answers
    --kubeconfig .pytest-kind/NAME/kubeconfig
    --kind-kubectl-bin                        what `hack/localkube tools kubectl` names, never a download

`--keep-cluster` leaves the cluster for the next run, which then starts within a second; without it, the cluster is
deleted at the end. What a killed run left behind does no harm: a cluster that does not answer is deleted and made anew,
the kubeconfig is asked for again, and namespaces with the label `dbmigrations.dev/test` are removed at the start. Two
runs that want the same cluster take turns (a lock in the temporary folder); give them other names to run them at once.

The definition of DatabaseMigration is cluster-wide. The fixture `applied_crd` of tests/api applies it with the marks
of a Helm release `dbmigrations` in `dbmigrations-system`, so that a chart installed later takes it over, and stops an
operator that an earlier run left running.
"""
