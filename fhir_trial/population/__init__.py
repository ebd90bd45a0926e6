"""A whole population from a folder of NDJSON: who is worth screening, their verdicts, and what the population looks like.

It reads once for signs, once for the records of whoever shows one, and never holds more than one patient's record at a time.
The one evaluator answers; here is only how it is fed.
"""
