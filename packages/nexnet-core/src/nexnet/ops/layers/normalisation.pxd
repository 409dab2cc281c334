cdef object _count(object input, object normalized_shape, object weight, object bias, str rule)
