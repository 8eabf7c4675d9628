"""Data sets: their arrays, how they are split, and the file formats they are read from."""
