"""Write studies and trials into a database at revision v0.9.0.a, by SQL, as the package of that time stored them.

On PostgreSQL the package's revision v2.4.0.a creates the enum `studydirection` a second time and fails, unless the two
tables it is for are there: the package of that time made them when it connected, before the upgrade. So does this.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for python -I and any working directory
sys.path.insert(0, str(Path(__file__).resolve().parent))

from environment import database_url
from expected import STUDIES, Study, Trial

REVISION = "v0.9.0.a"
BEGAN = datetime(2019, 4, 1, 12, 0, 0)

TABLES_OF_2_4 = """
    CREATE TABLE study_directions (
        study_direction_id serial PRIMARY KEY,
        direction studydirection NOT NULL,
        study_id integer NOT NULL REFERENCES studies,
        objective integer NOT NULL,
        UNIQUE (study_id, objective)
    );
    CREATE TABLE trial_intermediate_values (
        trial_intermediate_value_id serial PRIMARY KEY,
        trial_id integer NOT NULL REFERENCES trials,
        step integer NOT NULL,
        intermediate_value double precision NOT NULL,
        UNIQUE (trial_id, step)
    );
"""


def main() -> None:
    with create_engine(database_url()).begin() as connection:
        revisions = set(connection.scalars(text("SELECT version_num FROM alembic_version")))
        if revisions != {REVISION}:
            sys.exit(f"the database is at {sorted(revisions)}, and these rows are for {REVISION}")
        connection.execute(
            text("INSERT INTO version_info (version_info_id, schema_version, library_version) VALUES (1, 12, '0.9.0')")
        )
        for study in STUDIES:
            _write_study(connection, study)
        for statement in TABLES_OF_2_4.split(";")[:-1]:
            connection.execute(text(statement))
    print(f"wrote {len(STUDIES)} studies, {sum(len(study.trials) for study in STUDIES)} trials")


def _write_study(connection: Connection, study: Study) -> None:
    study_id = connection.scalar(
        text("INSERT INTO studies (study_name, direction) VALUES (:name, :direction) RETURNING study_id"),
        {"name": study.name, "direction": study.direction},
    )
    for key, value in study.attributes.items():
        connection.execute(
            text("INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (:study, :key, :value)"),
            {"study": study_id, "key": key, "value": json.dumps(value)},
        )
    for trial in study.trials:
        _write_trial(connection, int(study_id or 0), trial)


def _write_trial(connection: Connection, study_id: int, trial: Trial) -> None:
    began = BEGAN + timedelta(minutes=trial.number)
    trial_id = connection.scalar(
        text(
            "INSERT INTO trials (study_id, state, value, datetime_start, datetime_complete) "
            "VALUES (:study, :state, :value, :began, :ended) RETURNING trial_id"
        ),
        {
            "study": study_id,
            "state": trial.state,
            "value": trial.value,
            "began": began,
            "ended": began + timedelta(seconds=30),
        },
    )
    # Until v1.3.0.a a trial's number was one of its system attributes.
    attributes = [("system", "_number", trial.number), *(("user", *item) for item in trial.attributes.items())]
    for kind, key, value in attributes:
        connection.execute(
            text(f"INSERT INTO trial_{kind}_attributes (trial_id, key, value_json) VALUES (:trial, :key, :value)"),
            {"trial": trial_id, "key": key, "value": json.dumps(value)},
        )
    for name, (distribution, limits, number, _) in trial.params.items():
        connection.execute(
            text(
                "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
                "VALUES (:trial, :name, :number, :distribution)"
            ),
            {
                "trial": trial_id,
                "name": name,
                "number": number,
                "distribution": json.dumps({"name": distribution, "attributes": limits}),
            },
        )
    for step, value in trial.steps.items():
        connection.execute(
            text("INSERT INTO trial_values (trial_id, step, value) VALUES (:trial, :step, :value)"),
            {"trial": trial_id, "step": step, "value": value},
        )


if __name__ == "__main__":
    main()
