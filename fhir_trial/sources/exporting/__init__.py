"""A hospital's bulk export: asked for by the trials' plan, carried through restarts, left as a folder of NDJSON."""
