"""What kinds of user do: one story a file, as flows that every engine can drive."""
