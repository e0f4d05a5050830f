"""What a researcher runs: populations, engines that run both sides, evaluation, attacks, benchmarks."""
