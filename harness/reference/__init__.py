"""The pages of the documentation that nobody writes: each is made from the one place where its facts stand.

A page written beside the code is right on the day it is written. So what can be read from the code is: keys from the
models that read the file, options from the parser, verbs from the vocabulary, policies from the catalogue. What the
code cannot say, the meaning of a key or a measure in one line, stands in two tables here (`key_texts`,
`measure_texts`), and a test keeps each complete and free of leftovers.

    python -m harness.reference            writes every page again (`make reference`)
    python -m harness.reference.gallery    runs the experiments in virtual time and draws them (`make gallery`)

Nothing of the harness imports this. Leaves out: the pages that teach, which are written by hand.
"""
