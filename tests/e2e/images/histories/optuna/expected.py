"""The studies that write.py stores and read.py expects, in neither one's form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PER_STUDY = 50  # trials; enough that the data migrations have something to do


@dataclass(frozen=True)
class Trial:
    """One trial; parameters are (old distribution's name, its attributes, stored number, what it means)."""

    number: int
    state: str
    value: float | None
    params: dict[str, tuple[str, dict[str, Any], float, Any]]
    steps: dict[int, float] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """One study with its trials in the order of their numbers."""

    name: str
    direction: str
    attributes: dict[str, Any]
    trials: list[Trial]


def _trial(number: int) -> Trial:
    state = {3: "PRUNED", 7: "FAIL"}.get(number % 10, "COMPLETE")
    value = None if state == "FAIL" else number / 8  # a number that the old column's precision holds as well
    params: dict[str, tuple[str, dict[str, Any], float, Any]] = {
        "x": ("UniformDistribution", {"low": 0.0, "high": 100.0}, number / 4, number / 4),
        "rate": ("LogUniformDistribution", {"low": 0.001, "high": 100.0}, 0.5 + number, 0.5 + number),
        "grid": ("DiscreteUniformDistribution", {"low": 0.0, "high": 50.0, "q": 0.5}, number / 2, number / 2),
        "layers": ("IntUniformDistribution", {"low": 0, "high": 60, "step": 1}, float(number), number),
        "units": ("IntLogUniformDistribution", {"low": 1, "high": 128, "step": 1}, 1.0 + number, 1 + number),
        "kind": (
            "CategoricalDistribution",
            {"choices": ["a", "b", "ü"]},
            float(number % 3),
            ["a", "b", "ü"][number % 3],
        ),
    }
    steps = {step: number + step / 4 for step in range(3)} if state != "FAIL" else {}
    return Trial(number, state, value, params, steps, {"note": f"trial no. {number}, 50 % 'done'"})


STUDIES = [
    Study("smallest", "MINIMIZE", {"owner": "ada"}, [_trial(number) for number in range(PER_STUDY)]),
    Study("largest", "MAXIMIZE", {}, [_trial(number) for number in range(PER_STUDY)]),
    Study("unbounded", "MINIMIZE", {}, [Trial(0, "COMPLETE", float("inf"), {}, {0: float("-inf"), 1: 1.5})]),
    Study("empty", "MAXIMIZE", {"tags": ["none", 1, None]}, []),
]
