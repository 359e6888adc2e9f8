from evolve.cli._verb import Verb

VERBS: tuple[Verb, ...] = ()
