"""Read the studies that write.py stored with the current package, at its head, and compare them; exit 1 on a difference."""

from __future__ import annotations

import sys
from pathlib import Path

import optuna

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from environment import database_url
from expected import STUDIES, Study


def main() -> None:
    storage = optuna.storages.RDBStorage(database_url().render_as_string(hide_password=False))
    names = sorted(optuna.get_all_study_names(storage))
    differences = [] if names == sorted(study.name for study in STUDIES) else [f"the studies are {names}"]
    for study in STUDIES:
        differences += _compare(study, optuna.load_study(study_name=study.name, storage=storage))
    if differences:
        sys.exit("\n".join(differences[:20]))
    print(
        f"optuna {optuna.__version__} reads {len(STUDIES)} studies, {sum(len(study.trials) for study in STUDIES)} trials"
    )


def _compare(wanted: Study, found: optuna.Study) -> list[str]:
    pairs = [
        (f"{wanted.name}: direction", wanted.direction, found.direction.name),
        (f"{wanted.name}: attributes", wanted.attributes, found.user_attrs),
        (f"{wanted.name}: trials", len(wanted.trials), len(found.trials)),
    ]
    for trial, stored in zip(wanted.trials, found.trials, strict=False):
        where = f"{wanted.name} trial {trial.number}"
        params = {name: meaning for name, (_, _, _, meaning) in trial.params.items()}
        pairs += [
            (f"{where}: number", trial.number, stored.number),
            (f"{where}: state", trial.state, stored.state.name),
            (f"{where}: value", trial.value, stored.value),
            (f"{where}: parameters", params, stored.params),
            (f"{where}: steps", trial.steps, stored.intermediate_values),
            (f"{where}: attributes", trial.attributes, stored.user_attrs),
        ]
    return [f"{what}: expected {left!r}, found {right!r}" for what, left, right in pairs if left != right]


if __name__ == "__main__":
    main()
