"""What an operator runs: it plans rounds, sums updates and releases adapters. It never imports `client`."""
