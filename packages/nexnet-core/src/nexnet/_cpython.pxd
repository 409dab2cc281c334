# What Cython does not declare of CPython's C API: the slots behind signs and attributes, the collector, a thread's number.

from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef struct PyNumberMethods:
        void* nb_add
        void* nb_subtract
        void* nb_multiply
        void* nb_true_divide
        void* nb_matrix_multiply

    ctypedef struct TypeWithSlots "PyTypeObject":
        PyNumberMethods* tp_as_number
        void* tp_getattro

    void PyObject_GC_UnTrack(void* object)
    void PyObject_GC_Track(void* object)
    int PyObject_GC_IsTracked(PyObject* object)

    ctypedef struct PyThreadState:
        pass

    PyThreadState* PyThreadState_Get()
    unsigned long long PyThreadState_GetID(PyThreadState* state)
