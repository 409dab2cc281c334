from nexnet.engine.attributes cimport shape_of
