//! Measurements: one JSON line a figure, compared in one run.
