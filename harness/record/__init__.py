"""What a run leaves behind: row layouts, row files and the run folder."""
