"""Moments of a run at which somebody does something, and what people do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World
    from tests.unit.making import Json

STEPS = ["Inspect", "Check", "Quiesce", "Backup", "Migrate", "Resume", "Probe"]
JOBS = ["Inspect", "Backup", "Migrate"]


def step_of(world: World) -> str:
    return str(world.status["run"].get("step", "Inspect")) if "run" in world.status else ""


def in_step(world: World, step: str) -> Callable[[], bool]:
    return lambda: step_of(world) == step


def working(world: World, step: str) -> Callable[[], bool]:
    """The step's Pod has a container that runs, its last one under Migrate."""

    def look() -> bool:
        pods = [pod for pod in world.kubelet.running.values() if pod.step == step]
        name = {"Inspect": "inspect", "Backup": "backup", "Migrate": "migrate"}[step]
        return any("running" in pod.states[name] and not pod.done for pod in pods)

    return look


def until(world: World, when: Callable[[], bool]) -> None:
    world.run(until=when)
    assert when(), "that moment never came"


def scale(world: World, replicas: int, name: str = "shop-api") -> None:
    world.server.change("Deployment", name, lambda found: found["spec"].update(replicas=replicas))


def set_image(world: World, image: str) -> None:
    def change(found: Json) -> None:
        found["spec"]["template"]["spec"]["containers"][0]["image"] = image

    world.server.change("Deployment", "shop-api", change)
