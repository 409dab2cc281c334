// How torch's functions are called by their forms: what the caller gives, and how C++ gets it. See direct.py.

#pragma once
#include "_tensors.h"

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

struct Listed {  // the integers of a tuple
    int64_t items[MOST_SIZES];
    Sizes sizes;
    explicit Listed(PyObject *tuple) : sizes{items, static_cast<uint64_t>(PyTuple_GET_SIZE(tuple))} {
        for (uint64_t i = 0; i < sizes.count; i++) items[i] = PyLong_AsLong(PyTuple_GET_ITEM(tuple, i));
    }
};

template <class A> struct Passed { using type = const A &; };
template <> struct Passed<int64_t> { using type = int64_t; };
template <> struct Passed<Whole> { using type = Whole; };
template <> struct Passed<Dimensions> { using type = Dimensions; };
template <> struct Passed<bool> { using type = bool; };
template <> struct Passed<Sizes> { using type = Sizes; };
template <> struct Passed<Wanted> { using type = Wanted; };
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

// Call a function that gives three, of which some may be none.
template <class... As> PyObject *three_of(void *function, As &...args) {
    auto out = result_of<std::tuple<Tensor, Tensor, Tensor>>(function, args...);
    return Py_BuildValue("(NNN)", made(std::get<0>(out)), made(std::get<1>(out)), made(std::get<2>(out)));
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
                          // classes, m one for each row, ? one or None, n the number 0 or 1, i an integer, d one of a dimension, l a tuple of
                          // some, w one of three bools; then 1 for each number that stays 1, _ if the first is written
                          // into, and = if several tensors are given
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
    {"tl", "RKNS_6TensorEN3c108ArrayRefINS5_6SymIntEEE",
     CALL { Listed shape(a[1]); return of(f, in(a[0]), shape.sizes); }},
    {"tdi", "RKNS_6TensorEll",
     CALL { int64_t i = PyLong_AsLong(a[1]), j = PyLong_AsLong(a[2]); return of(f, in(a[0]), i, j); }},
    {"ttlmm??w=", "RKNS_6TensorES4_N3c108ArrayRefINS5_6SymIntEEES4_S4_RKSt8optionalIS2_ESC_St5arrayIbLm3EE",
     CALL {
         Unseen unseen;
         Listed shape(a[2]);
         Optional weight = optional(a, count, 5), bias = optional(a, count, 6);
         Wanted wanted;
         for (Py_ssize_t i = 0; i < 3; i++) wanted.each[i] = PyTuple_GET_ITEM(a[7], i) == Py_True;
         return three_of(f, in(a[0]), in(a[1]), shape.sizes, in(a[3]), in(a[4]), weight, bias, wanted);
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

// An integer of which torch's own forms, SymInt among them, make the same.
bool is_small_integer(PyObject *arg) {
    if (!PyLong_CheckExact(arg)) return false;
    int over;
    long value = PyLong_AsLongAndOverflow(arg, &over);
    return !over && value == static_cast<int32_t>(value);
}

template <class F> bool is_tuple_of(PyObject *arg, Py_ssize_t most, F is_one) {
    if (!PyTuple_CheckExact(arg) && Py_TYPE(arg) != known.size_type) return false;
    if (PyTuple_GET_SIZE(arg) > most) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arg); i++)
        if (!is_one(PyTuple_GET_ITEM(arg, i))) return false;
    return true;
}

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
        case 'm':
            if (Py_TYPE(arg) != where.tensor_type) return false;
            if (word(in(arg), where.keys_at) & where.wrapped) return false;
            break;
        case 'l':
            if (!is_tuple_of(arg, MOST_SIZES, is_small_integer)) return false;
            break;
        case 'w':
            if (!is_tuple_of(arg, 3, [](PyObject *each) { return PyBool_Check(each) != 0; })) return false;
            if (PyTuple_GET_SIZE(arg) != 3) return false;
            break;
        case 'n':
            if (!is_small_integer(arg) || PyLong_AsLong(arg) >> 1) return false;
            break;
        default:
            if (!is_small_integer(arg)) return false;
        }
    }
    return i == count;
}

}  // namespace
