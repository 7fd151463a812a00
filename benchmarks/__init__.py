"""What things cost. `python -m benchmarks [NAME ...]`; figures are of the machine they ran on, ratios travel better."""
