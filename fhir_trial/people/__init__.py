"""What people say: their answers to criteria, and what becomes of them when the evidence changes."""
