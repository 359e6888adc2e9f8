"""What a run's results are looked into with, once it has found something: ``evolve ablate``.

Stands above everything but the command line, and nothing else knows it.  What is measured here is measured by the run's problem and
executor, and no part of the run's records.

    _hunks      where two programs differ, piece by piece
    _needs      what a mix of two programs lacks
    _changes    the pieces as changes that can be left out or put in alone; _names says what each is called
    _design     which programs are measured, on how many seeds
    _measuring  programs on measurement seeds, through an executor; _kept keeps the results of one that is interrupted
    _effects    contributions with intervals, from a table of scores; pure
    _map        the contribution map, from results
    _ablate     all of it for one candidate of a run; _hand_in gives the reduced program to the run
    _report     the map as Markdown and as text; _figure as a picture
"""
