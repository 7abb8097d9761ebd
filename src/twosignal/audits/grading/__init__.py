"""External grading: takes a run's samples, gives a blind bundle for readers, and says what their grades mean.

samples -> bundle (shuffled, with controls, its key sealed) -> page -> grades -> results (agreement, reading)
"""
