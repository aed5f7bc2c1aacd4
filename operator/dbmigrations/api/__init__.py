"""The DatabaseMigration resource as typed, frozen values: its specification, its status, its conditions."""
