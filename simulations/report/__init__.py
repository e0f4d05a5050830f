"""One self-contained page about finished runs: plots and their numbers, what is promised, how to make it again."""
