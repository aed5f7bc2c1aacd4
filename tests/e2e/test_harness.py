"""The harness itself: the shortest way from an application to a migrated one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.app import condition
from tests.e2e.manifests import NEW_IMAGE

if TYPE_CHECKING:
    from tests.e2e.world import World


def test_the_minimal_manifest_migrates_an_application(world: World) -> None:
    app = world.app("linear")
    app.apply()
    ended = app.wait_ended()
    assert condition(ended, "Ready")["status"] == "True", condition(ended, "Ready")["message"]
    assert app.revisions() == {"linear3"}
    assert app.images() == {"app": NEW_IMAGE}
    assert app.replicas() == 2
    assert ended["status"]["run"]["backup"]["uri"].removeprefix("s3://backups/") in world.bucket()
    app.wait_told("Normal", "Ready")
