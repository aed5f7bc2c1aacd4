"""The steps of a run, one module each: from what was observed to what is done next."""
