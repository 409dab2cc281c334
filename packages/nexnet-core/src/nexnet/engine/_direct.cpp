// Torch's functions of tensors, called at its dispatcher: below the parser of Python's arguments. See direct.py.
//
// C++, because torch's functions throw and give their results as C++ gives an object. Nothing of torch's is included:
// the functions are found by their mangled names, and what is known of torch's classes stands in _tensors.h.

#include "_forms.h"

#include <structmember.h>

namespace {

// The functions, as Python's objects -------------------------------------------------------------------------------

struct Direct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function;  // as Python calls it: it takes whatever is not plain here
    void *address;
    const Form *form;
};

PyObject *call(PyObject *self, Args args, size_t flags, PyObject *names) {
    auto *direct = reinterpret_cast<Direct *>(self);
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (!names && takes(direct->form->name, args, count) && !torch.function_modes() && !torch.dispatch_modes(false)) {
        try {
            return direct->form->call(direct->address, args, count);
        } catch (...) {  // Python's call is to say what is wrong
        }
    }
    return PyObject_Vectorcall(direct->function, args, flags, names);
}

PyObject *attribute(PyObject *self, PyObject *name) {
    if (PyObject *found = PyObject_GenericGetAttr(self, name)) return found;
    PyErr_Clear();
    return PyObject_GetAttr(reinterpret_cast<Direct *>(self)->function, name);
}

PyObject *shown(PyObject *self) { return PyObject_Repr(reinterpret_cast<Direct *>(self)->function); }

void dealloc(PyObject *self) {
    Py_XDECREF(reinterpret_cast<Direct *>(self)->function);
    Py_TYPE(self)->tp_free(self);
}

PyMemberDef MEMBERS[] = {
    {"__wrapped__", T_OBJECT_EX, offsetof(Direct, function), READONLY, "the function, as Python calls it"},
    {nullptr, 0, 0, 0, nullptr},
};

PyTypeObject DirectType = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyObject *make(PyObject *, PyObject *args) {
    PyObject *function;
    const char *name;
    unsigned long long address;
    if (!PyArg_ParseTuple(args, "OsK:make", &function, &name, &address)) return nullptr;
    for (const Form &form : FORMS) {
        if (std::strcmp(form.name, name) != 0) continue;
        auto *made = PyObject_New(Direct, &DirectType);
        if (!made) return nullptr;
        Py_INCREF(function);
        *made = Direct{made->ob_base, call, function, reinterpret_cast<void *>(address), &form};
        return reinterpret_cast<PyObject *>(made);
    }
    return PyErr_Format(PyExc_ValueError, "no form %s", name);
}

PyObject *mangled(PyObject *, PyObject *name) {
    const char *wanted = PyUnicode_AsUTF8(name);
    for (const Form &form : FORMS)
        if (wanted && std::strcmp(form.name, wanted) == 0) return PyUnicode_FromString(form.mangled);
    return wanted ? PyErr_Format(PyExc_ValueError, "no form %s", wanted) : nullptr;
}

PyObject *prepare(PyObject *, PyObject *args) {
    PyObject *type, *zero, *one, *some;
    unsigned long long address, numel, keys, wrapped, views, wrap, release, item, functions, dispatch, t, exclude, include;
    if (!PyArg_ParseTuple(args, "OOOKOKKKKKKKKKKKK:prepare", &type, &zero, &one, &address, &some, &numel, &keys, &wrapped,
                          &views, &wrap, &release, &item, &functions, &dispatch, &t, &exclude, &include))
        return nullptr;
    for (where.offset = sizeof(PyObject); in(zero).impl != reinterpret_cast<void *>(address); where.offset += 8)
        if (where.offset + 8 >= Py_TYPE(zero)->tp_basicsize)
            return PyErr_Format(PyExc_LookupError, "a torch.Tensor is not as expected");
    Py_ssize_t numel_at = 0, keys_at = 0, found = 0;
    for (Py_ssize_t i = 1; i < IMPL_WORDS; i++) {
        if (word(in(some), i) == numel) numel_at = i, found++;
        if (word(in(some), i) == keys) keys_at = i, found++;
    }
    if (found != 2) return PyErr_Format(PyExc_LookupError, "what an at::Tensor points to is not as expected");
    where.numel_at = numel_at, where.keys_at = keys_at, where.plain = keys, where.wrapped = wrapped;
    Py_INCREF(type);
    where.tensor_type = reinterpret_cast<PyTypeObject *>(type);
    torch.wrap = reinterpret_cast<decltype(torch.wrap)>(wrap);
    torch.release = reinterpret_cast<decltype(torch.release)>(release);
    torch.function_modes = reinterpret_cast<decltype(torch.function_modes)>(functions);
    torch.dispatch_modes = reinterpret_cast<decltype(torch.dispatch_modes)>(dispatch);
    torch.transposed = reinterpret_cast<decltype(torch.transposed)>(t);
    torch.exclude = reinterpret_cast<decltype(torch.exclude)>(exclude);
    torch.include = reinterpret_cast<decltype(torch.include)>(include);
    torch.views = views;
    auto number_in = reinterpret_cast<Scalar (*)(const Tensor &)>(item);
    try {
        torch.zero = new Scalar(number_in(in(zero)));
        torch.one = new Scalar(number_in(in(one)));
    } catch (...) {
        return PyErr_Format(PyExc_LookupError, "a number of torch's is not as expected");
    }
    Py_RETURN_NONE;
}

PyObject *readers(PyObject *, PyObject *args) {
    PyObject *size_type, *some, *others;
    if (!PyArg_ParseTuple(args, "OOO!:readers", &size_type, &some, &PyList_Type, &others)) return nullptr;
    if (!learn(reinterpret_cast<PyTypeObject *>(size_type), some, others))
        return PyErr_Format(PyExc_LookupError, "what an at::Tensor points to is not as expected");
    Py_INCREF(size_type);
    auto address = [](auto *function) { return reinterpret_cast<unsigned long long>(function); };
    return Py_BuildValue("(KKKKKKK)", address(shape_of), address(dtype_of), address(numel_of), address(ndim_of),
                         address(length_of), address(is_on_cpu), address(is_like));
}

PyMethodDef METHODS[] = {
    {"make", make, METH_VARARGS, "make(function, form, address): the function, called directly."},
    {"mangled", mangled, METH_O, "mangled(form): how C++ writes the arguments of a function of that form."},
    {"prepare", prepare, METH_VARARGS,
     "prepare(torch.Tensor, a zero, a one, where the zero is, a tensor, how many elements it has, its dispatch keys, "
     "those of torch.func and of views, addresses): learn what is needed of torch."},
    {"readers", readers, METH_VARARGS,
     "readers(torch.Size, a tensor of 97 x 127, [(a tensor, its dtype), ...]): the addresses of what reads a tensor's "
     "shape, dtype, number of elements, of dimensions and its length, and says whether it is on the CPU, or like another."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_direct", "Torch's functions of tensors, called at its dispatcher.", -1,
                      METHODS, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__direct() {
    DirectType.tp_name = "nexnet.engine._direct.Direct";
    DirectType.tp_doc = "A function of torch's, called directly wherever its arguments are plain.";
    DirectType.tp_basicsize = sizeof(Direct);
    DirectType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL;
    DirectType.tp_vectorcall_offset = offsetof(Direct, vectorcall);
    DirectType.tp_call = PyVectorcall_Call;
    DirectType.tp_getattro = attribute;
    DirectType.tp_repr = shown;
    DirectType.tp_dealloc = dealloc;
    DirectType.tp_members = MEMBERS;
    if (PyType_Ready(&DirectType) < 0) return nullptr;
    PyObject *module = PyModule_Create(&MODULE);
    if (module && PyModule_AddObjectRef(module, "Direct", reinterpret_cast<PyObject *>(&DirectType)) < 0) return nullptr;
    return module;
}
