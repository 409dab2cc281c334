// Torch's functions of tensors, called at its dispatcher: below the parser of Python's arguments. See direct.py.
//
// C++, because torch's functions throw and give their results as C++ gives an object. Nothing of torch's is included:
// the functions are found by their mangled names, and what is known of torch's classes stands in _tensors.h.

#include "_tensors.h"

#include <structmember.h>

#include <cstring>
#include <tuple>

namespace {

struct {
    PyObject *(*wrap)(Tensor *);
    void (*release)(void **);  // frees an at::Tensor made by new
    bool (*function_modes)();
    bool (*dispatch_modes)(bool);
    Tensor (*transposed)(const Tensor &);
    void (*exclude)(void *, uint64_t);  // a dispatch key, from here on,
    void (*include)(void *);            // to here
    uint64_t views;                     // the key of what keeps account of views
    const Scalar *zero, *one;
} torch;

constexpr uint64_t SMALL = 4096;  // elements

using Args = PyObject *const *;

// Whether a kernel is over before another thread could have begun: to let go of Python's lock takes as long.
bool is_small(const Tensor &tensor) {
    return word(tensor, where.keys_at) == where.plain && word(tensor, where.numel_at) <= SMALL;
}
template <class A> bool is_small(const A &) { return true; }

struct Unlocked {  // other threads may run meanwhile
    PyThreadState *state;
    template <class... As> explicit Unlocked(const As &...args)
        : state((is_small(args) && ...) ? nullptr : PyEval_SaveThread()) {}
    ~Unlocked() {
        if (state) PyEval_RestoreThread(state);
    }
};

Optional optional(Args args, Py_ssize_t count, Py_ssize_t i) {
    return i < count && args[i] != Py_None ? Optional{in(args[i]).impl, true} : Optional{nullptr, false};
}

template <class A> struct Passed { using type = const A &; };
template <> struct Passed<int64_t> { using type = int64_t; };
template <> struct Passed<Whole> { using type = Whole; };
template <> struct Passed<Dimensions> { using type = Dimensions; };
template <> struct Passed<bool> { using type = bool; };
template <> struct Passed<Dtype> { using type = Dtype; };

template <class Out, class... As> Out result_of(void *function, As &...args) {
    Unlocked unlocked(args...);
    return reinterpret_cast<Out (*)(typename Passed<As>::type...)>(function)(args...);
}

void let_go(void *impl) {
    auto *held = static_cast<void **>(::operator new(sizeof(void *)));
    *held = impl;
    torch.release(held);
}

// Give a new tensor as Python's object.
PyObject *made(Tensor &out) {
    void *impl = out.impl;
    PyObject *object = torch.wrap(&out);
    if (out.impl == impl && object != Py_None) let_go(impl);  // it was in an object before, which holds it
    return object;
}

// The views that a function makes for itself need not be kept account of: its result is none of them.
struct Unseen {
    void *state[2];
    Unseen() { torch.exclude(state, torch.views); }
    ~Unseen() { torch.include(state); }
};

struct Transposed {
    Tensor matrix;
    explicit Transposed(PyObject *object) : matrix(torch.transposed(in(object))) {}
    ~Transposed() { let_go(matrix.impl); }
};

// Call a function that gives a new tensor.
template <class... As> PyObject *of(void *function, As &...args) {
    Tensor out = result_of<Tensor>(function, args...);
    return made(out);
}

// Call a function that gives two.
template <class... As> PyObject *pair_of(void *function, As &...args) {
    auto out = result_of<std::tuple<Tensor, Tensor>>(function, args...);
    return Py_BuildValue("(NN)", made(std::get<0>(out)), made(std::get<1>(out)));
}

// Call a function that writes into its first argument, and give that.
template <class... As> PyObject *into(void *function, PyObject *self, As &...args) {
    {
        Unlocked unlocked(in(self), args...);
        reinterpret_cast<void *(*)(Tensor &, typename Passed<As>::type...)>(function)(in(self), args...);
    }
    Py_INCREF(self);
    return self;
}

struct Form {
    const char *name;     // what the caller gives: t a tensor, T one to be transposed, s one of shape (), c one of
                          // classes, ? one or None, n the number 0 or 1, i an integer; then 1 for each number that stays 1, _ if the first is
                          // written into, and = if two tensors are given
    const char *mangled;  // how C++ writes the function's arguments
    PyObject *(*call)(void *function, Args args, Py_ssize_t count);
};

#define CALL [](void *f, Args a, [[maybe_unused]] Py_ssize_t count) -> PyObject *

const Form FORMS[] = {
    {"t", "RKNS_6TensorE", CALL { return of(f, in(a[0])); }},
    {"tt", "RKNS_6TensorES4_", CALL { return of(f, in(a[0]), in(a[1])); }},
    {"Tt", "RKNS_6TensorES4_",
     CALL { Unseen unseen; Transposed first(a[0]); return of(f, first.matrix, in(a[1])); }},
    {"tT", "RKNS_6TensorES4_",
     CALL { Unseen unseen; Transposed second(a[1]); return of(f, in(a[0]), second.matrix); }},
    {"tt1", "RKNS_6TensorES4_RKN3c106ScalarE", CALL { return of(f, in(a[0]), in(a[1]), *torch.one); }},
    {"ttt1", "RKNS_6TensorES4_S4_RKN3c106ScalarE",
     CALL { return of(f, in(a[0]), in(a[1]), in(a[2]), *torch.one); }},
    {"ttt11", "RKNS_6TensorES4_S4_RKN3c106ScalarES8_",
     CALL { Unseen unseen; return of(f, in(a[0]), in(a[1]), in(a[2]), *torch.one, *torch.one); }},
    {"tTt11", "RKNS_6TensorES4_S4_RKN3c106ScalarES8_",
     CALL { Unseen unseen; Transposed a1(a[1]); return of(f, in(a[0]), a1.matrix, in(a[2]), *torch.one, *torch.one); }},
    {"tt?", "RKNS_6TensorES4_RKSt8optionalIS2_E",
     CALL { Unseen unseen; Optional last = optional(a, count, 2); return of(f, in(a[0]), in(a[1]), last); }},
    {"ttn", "RKNS_6TensorES4_RKN3c106ScalarE",
     CALL { return of(f, in(a[0]), in(a[1]), PyLong_AsLong(a[2]) ? *torch.one : *torch.zero); }},
    {"ti", "RKNS_6TensorEN3c1016OptionalArrayRefIlEEbSt8optionalINS5_10ScalarTypeEE",
     CALL {
         Unseen unseen;
         const int64_t dimension = PyLong_AsLong(a[1]);
         Dimensions one{&dimension, 1, true};
         bool keeps = false;
         Dtype same{0, false};
         return of(f, in(a[0]), one, keeps, same);
     }},
    {"tti", "RKNS_6TensorES4_l",
     CALL { int64_t i = PyLong_AsLong(a[2]); return of(f, in(a[0]), in(a[1]), i); }},
    {"ttti", "RKNS_6TensorES4_S4_l",
     CALL { int64_t i = PyLong_AsLong(a[3]); return of(f, in(a[0]), in(a[1]), in(a[2]), i); }},
    {"tc?ii=", "RKNS_6TensorES4_RKSt8optionalIS2_ElN3c106SymIntE",
     CALL {
         Optional weight = optional(a, count, 2);
         int64_t reduction = PyLong_AsLong(a[3]);
         Whole ignored{PyLong_AsLong(a[4])};
         return pair_of(f, in(a[0]), in(a[1]), weight, reduction, ignored);
     }},
    {"stc?iis", "RKNS_6TensorES4_S4_RKSt8optionalIS2_ElN3c106SymIntES4_",
     CALL {
         Optional weight = optional(a, count, 3);
         int64_t reduction = PyLong_AsLong(a[4]);
         Whole ignored{PyLong_AsLong(a[5])};
         return of(f, in(a[0]), in(a[1]), in(a[2]), weight, reduction, ignored, in(a[6]));
     }},
    {"t_", "RNS_6TensorE", CALL { return into(f, a[0]); }},
    {"tt_", "RNS_6TensorERKS2_", CALL { return into(f, a[0], in(a[1])); }},
    {"tt1_", "RNS_6TensorERKS2_RKN3c106ScalarE", CALL { return into(f, a[0], in(a[1]), *torch.one); }},
    {"ttt1_", "RNS_6TensorERKS2_S5_RKN3c106ScalarE", CALL { return into(f, a[0], in(a[1]), in(a[2]), *torch.one); }},
    {"ttt11_", "RNS_6TensorERKS2_S5_RKN3c106ScalarES9_",
     CALL { return into(f, a[0], in(a[1]), in(a[2]), *torch.one, *torch.one); }},
    {"tTt11_", "RNS_6TensorERKS2_S5_RKN3c106ScalarES9_",
     CALL { Transposed a1(a[1]); return into(f, a[0], a1.matrix, in(a[2]), *torch.one, *torch.one); }},
    {"ttT11_", "RNS_6TensorERKS2_S5_RKN3c106ScalarES9_",
     CALL { Transposed last(a[2]); return into(f, a[0], in(a[1]), last.matrix, *torch.one, *torch.one); }},
};

bool takes(const char *kinds, Args args, Py_ssize_t count) {
    Py_ssize_t i = 0;
    for (; kinds[i] != 0 && kinds[i] != '1' && kinds[i] != '_' && kinds[i] != '='; i++) {
        if (i >= count) return kinds[i] == '?' && kinds[i + 1] == 0;
        PyObject *arg = args[i];
        switch (kinds[i]) {
        case '?':
            if (arg == Py_None) break;
            [[fallthrough]];
        case 't':
        case 'T':
        case 's':
        case 'c':
            if (Py_TYPE(arg) != where.tensor_type) return false;
            if (word(in(arg), where.keys_at) & where.wrapped) return false;
            break;
        default:  // an integer, or a number that is one of the two
            if (!PyLong_CheckExact(arg)) return false;
            int over;
            long value = PyLong_AsLongAndOverflow(arg, &over);
            if (over || value != static_cast<int32_t>(value) || (kinds[i] == 'n' && value != 0 && value != 1)) return false;
        }
    }
    return i == count;
}

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
