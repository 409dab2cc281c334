from nexnet.engine.attributes cimport shape_of

cpdef object count_normalised(object input, object normalized_shape, object weight, object bias, object rule)
