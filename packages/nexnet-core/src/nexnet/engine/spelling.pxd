cdef class Spelling:
    cdef readonly Py_ssize_t count
    cdef readonly dict names
    cdef readonly tuple defaults
    cdef readonly object known
    cdef readonly tuple numbers
    cdef readonly tuple parameters
    cdef readonly bint own
    cdef readonly str rest
    cdef tuple positional(self, tuple args, dict kwargs, str rule)
    cdef tuple with_numbers(self, tuple args, str rule)
    cdef object _rename(self, dict kwargs, str rule)
    cdef object _static(self, dict kwargs, str rule, tuple args)
