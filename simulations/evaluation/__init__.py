"""How well an adapter serves people: win rates, pair accuracy, intervals over users."""
