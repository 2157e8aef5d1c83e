"""Many runs in virtual time, and what only many runs can tell: where recovery stops.

One run says what happened this once. The questions here are about a boundary: which settings recover and which do not,
how sure that is, and whether published boundaries are found again.

    axes, design      keys of the file and the values they take; grids, random and Latin-hypercube designs
    subject           an experiment with some of its keys set: one cell of a design
    engine            one run of a cell: the compiled kernel where it can express it, else the world
    journal           every finished run on disk, so that a killed sweep goes on where it stopped
    crew              all cores by processes; a lost worker costs its job, not the sweep
    sweep, refine     cells x seeds; bisection along the boundary
    threshold         the critical value of one key, with an interval
    table             one row per run and one per cell: CSV, and Parquet where pyarrow is installed
    reproduce         published results, found again: one table

The unit of replication is the run; a chance of recovery comes with its Wilson interval; nothing is averaged over runs
that ended differently. Importing this package loads nothing by itself.
"""
