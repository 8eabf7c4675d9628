"""Tables: rows with a target column, whose other columns become the features of vectors."""
