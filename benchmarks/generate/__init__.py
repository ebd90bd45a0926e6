"""A hospital as its Bulk Data export would be: any size, seeded, as dirty as hospitals are, and the truth known.

    python -m benchmarks.generate FOLDER --patients 2000 --seed 7 --prevalence 0.02 --form plain

The same arguments give the same bytes. Memory does not grow with the size. What is true of each patient stands in a hidden file
that no reader of the folder takes for a part of the export.
"""

from benchmarks.generate.forms import FORMS, rewrite
from benchmarks.generate.hospital import TRUTH, Hospital, Known, truth_of, write_hospital

__all__ = ["FORMS", "TRUTH", "Hospital", "Known", "rewrite", "truth_of", "write_hospital"]
