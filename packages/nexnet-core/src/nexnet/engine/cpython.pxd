# The C behind cpython.py, which says what each of these means and why it may be done.

from cpython.mem cimport PyObject_Free
from cpython.object cimport Py_TPFLAGS_HAVE_GC, Py_TPFLAGS_HEAPTYPE, PyObject, PyTypeObject

cdef enum:
    MANAGED = (1 << 3) | (1 << 4)  # Py_TPFLAGS_MANAGED_WEAKREF, Py_TPFLAGS_MANAGED_DICT

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
        void (*tp_dealloc)(PyObject*) noexcept
        TypeWithSlots* tp_base
        unsigned long tp_flags

    TypeWithSlots* type_of "Py_TYPE"(PyObject* object)
    void release "Py_DECREF"(void* object)
    void PyObject_GC_UnTrack(void* object)
    void PyObject_GC_Track(void* object)
    int PyObject_GC_IsTracked(PyObject* object)

    ctypedef struct PyThreadState:
        pass

    PyThreadState* PyThreadState_Get()
    unsigned long long PyThreadState_GetID(PyThreadState* state)


cdef inline object instance(object base, object cls):
    return (<PyTypeObject*>base).tp_new(<type>cls, <PyObject*>(), NULL)


cdef inline object uncollected(object cls):
    cdef PyTypeObject* made = <PyTypeObject*>cls
    cdef PyTypeObject* base = <PyTypeObject*>cls.__base__
    if made.tp_flags & MANAGED:  # from Python 3.12 on they stand before an instance, whose size does not tell of them
        return
    if made.tp_basicsize == base.tp_basicsize and made.tp_dictoffset == 0 and not base.tp_flags & Py_TPFLAGS_HAVE_GC:
        made.tp_flags &= ~Py_TPFLAGS_HAVE_GC
        made.tp_traverse = NULL
        made.tp_clear = NULL
        made.tp_free = PyObject_Free


cdef inline object out_of_sight(object value):
    PyObject_GC_UnTrack(<PyObject*>value)
    return value


cdef inline object in_sight(object value):
    if value is not None and not PyObject_GC_IsTracked(<PyObject*>value):
        PyObject_GC_Track(<PyObject*>value)
    return value


cdef inline TypeWithSlots* root_of(TypeWithSlots* cls) noexcept:
    while cls.tp_base.tp_base != NULL:  # object has none
        cls = cls.tp_base
    return cls


cdef inline void free_as_root(PyObject* value) noexcept:
    cdef TypeWithSlots* cls = type_of(value)
    root_of(cls).tp_dealloc(value)
    release(cls)


cdef inline object take_slots(object cls, object base):
    cdef TypeWithSlots* made = <TypeWithSlots*>cls
    cdef TypeWithSlots* own = <TypeWithSlots*>base
    made.tp_getattro = own.tp_getattro
    if not root_of(own).tp_flags & Py_TPFLAGS_HEAPTYPE:  # such a one would release the class itself
        made.tp_dealloc = free_as_root
    made.tp_as_number.nb_add = own.tp_as_number.nb_add
    made.tp_as_number.nb_subtract = own.tp_as_number.nb_subtract
    made.tp_as_number.nb_multiply = own.tp_as_number.nb_multiply
    made.tp_as_number.nb_true_divide = own.tp_as_number.nb_true_divide
    made.tp_as_number.nb_matrix_multiply = own.tp_as_number.nb_matrix_multiply


cdef inline unsigned long long thread_number():
    return PyThreadState_GetID(PyThreadState_Get())


cdef inline bint torch_says(size_t address, object ask):
    return (<unsigned char (*)() noexcept>address)() if address else ask()


cdef inline object answer(size_t address, object value, object ask):
    return (<object (*)(PyObject*)>address)(<PyObject*>value) if address else ask(value)


cdef inline long long count(size_t address, object value, object ask):
    cdef long long found = (<long long (*)(PyObject*) noexcept>address)(<PyObject*>value) if address else -1
    return ask(value) if found < 0 else found


cdef inline bint says(size_t address, object value, object ask):
    cdef int said = (<int (*)(PyObject*) noexcept>address)(<PyObject*>value) if address else -1
    return ask(value) if said < 0 else said


cdef inline bint compares(size_t address, object value, object first, object second, object ask):
    cdef int said = -1
    if address:
        said = (<int (*)(PyObject*, PyObject*, PyObject*) noexcept>address)(
            <PyObject*>value, <PyObject*>first, <PyObject*>second
        )
    return ask(value, first, second) if said < 0 else said


cdef inline object blank(tuple classes):
    pass
