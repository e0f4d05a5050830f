"""Ways to run the same ServerApp and ClientApp: inline, Ray, deployed."""
