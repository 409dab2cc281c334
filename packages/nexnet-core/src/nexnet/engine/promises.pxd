from nexnet.engine.tensor cimport Key, fits
