"""A history that nobody here wrote: the PyPI package optuna's, from an early revision with studies to its head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e import scenes

if TYPE_CHECKING:
    from tests.e2e.world import World


def test_studies_of_an_early_revision_are_read_by_the_package_at_its_head(world: World) -> None:
    app = world.app("optuna", at="v0.9.0.a")
    written = scenes.history_program(world, app, "optuna/write.py")
    assert "wrote 4 studies" in written
    app.apply(scenes.manifest(app, "v3.2.0.a"))
    scenes.ended_well(world, app)
    assert app.revisions() == {"v3.2.0.a"}
    assert "reads 4 studies, 101 trials" in scenes.history_program(world, app, "optuna/read.py")
