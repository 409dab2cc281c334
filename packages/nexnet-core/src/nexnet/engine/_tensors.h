// What is known of torch's classes, and what is read of a tensor where torch keeps it. See direct.py and attributes.py.
//
// Nothing of torch's is included. Where things lie is found by looking at tensors of which the answers are known; a
// tensor that is not plain (a subclass, torch.func's, on another device) is asked through torch's own getters.

#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <cstdint>

namespace {

struct Tensor {  // at::Tensor, a pointer: as it is not trivially destroyed, a function gives it through memory
    void *impl = nullptr;
    ~Tensor() {}
};

struct Scalar {  // at::Scalar: of some size that is no larger
    alignas(16) unsigned char bytes[64];
    ~Scalar() {}
};

struct Optional {  // std::optional<at::Tensor>, as a constant argument
    void *impl;
    bool has;
};

struct Whole {  // c10::SymInt of a small number
    int64_t value;
    ~Whole() {}
};

struct Dimensions {  // c10::OptionalArrayRef<int64_t>
    const int64_t *data;
    uint64_t count;
    bool has;
};

struct Sizes {  // c10::ArrayRef<c10::SymInt> of small numbers
    const int64_t *data;
    uint64_t count;
};

struct Wanted {  // std::array<bool, 3>
    bool each[3];
};

struct Dtype {  // std::optional<at::ScalarType>
    int8_t code;
    bool has;
};

constexpr Py_ssize_t IMPL_WORDS = 22;   // of eight bytes: no at::Tensor points to fewer
constexpr uint64_t MOST_DIMENSIONS = 5;  // whose sizes stand beside each other in what it points to, before the strides
constexpr Py_ssize_t MOST_SIZES = 8;      // that a function is called directly with
constexpr uint16_t DTYPES = 64;

struct {
    PyTypeObject *tensor_type;
    Py_ssize_t offset;             // of the at::Tensor in a torch.Tensor
    Py_ssize_t keys_at, numel_at;  // of the dispatch keys and the number of elements in what an at::Tensor points to
    uint64_t plain, wrapped;       // the keys of a plain tensor on the CPU, and those of torch.func's
} where;

struct {
    PyTypeObject *size_type;  // torch.Size
    Py_ssize_t sizes_at;      // words in what an at::Tensor points to; before them, their number
    Py_ssize_t dtype_at;      // bytes
    PyObject *dtypes[DTYPES];
    PyObject *shape, *dtype;  // the names
} known;

Tensor &in(PyObject *object) { return *reinterpret_cast<Tensor *>(reinterpret_cast<char *>(object) + where.offset); }

uint64_t word(const Tensor &tensor, Py_ssize_t i) { return static_cast<const uint64_t *>(tensor.impl)[i]; }

bool is_plain(PyObject *object) {
    return Py_TYPE(object) == where.tensor_type && word(in(object), where.keys_at) == where.plain;
}

uint16_t code_at(const Tensor &tensor, Py_ssize_t byte) {
    return *reinterpret_cast<const uint16_t *>(static_cast<const char *>(tensor.impl) + byte);
}

// The readers, of which attributes.py has the addresses --------------------------------------------------------------

PyObject *shape_of(PyObject *object) {
    if (is_plain(object)) {
        const Tensor &tensor = in(object);
        const uint64_t count = word(tensor, known.sizes_at - 1);
        if (count <= MOST_DIMENSIONS) {
            PyObject *shape = known.size_type->tp_alloc(known.size_type, static_cast<Py_ssize_t>(count));
            for (uint64_t i = 0; shape && i < count; i++)
                PyTuple_SET_ITEM(shape, i, PyLong_FromLongLong(word(tensor, known.sizes_at + i)));
            return shape;
        }
    }
    return PyObject_GetAttr(object, known.shape);
}

PyObject *dtype_of(PyObject *object) {
    if (is_plain(object)) {
        const uint16_t code = code_at(in(object), known.dtype_at);
        if (code < DTYPES && known.dtypes[code]) return Py_NewRef(known.dtypes[code]);
    }
    return PyObject_GetAttr(object, known.dtype);
}

// Each says -1 of a tensor that torch is to be asked about.

int is_on_cpu(PyObject *object) { return is_plain(object) ? 1 : -1; }

int64_t numel_of(PyObject *object) { return is_plain(object) ? word(in(object), where.numel_at) : -1; }

int64_t ndim_of(PyObject *object) { return is_plain(object) ? word(in(object), known.sizes_at - 1) : -1; }

int64_t length_of(PyObject *object) {
    const int64_t count = ndim_of(object);
    return count < 1 || count > static_cast<int64_t>(MOST_DIMENSIONS) ? -1 : word(in(object), known.sizes_at);
}

int is_like(PyObject *object, PyObject *shape, PyObject *dtype) {
    if (!is_plain(object) || Py_TYPE(shape) != known.size_type) return -1;
    const Tensor &tensor = in(object);
    const uint64_t count = word(tensor, known.sizes_at - 1);
    const uint16_t code = code_at(tensor, known.dtype_at);
    if (count > MOST_DIMENSIONS || code >= DTYPES || !known.dtypes[code]) return -1;
    if (known.dtypes[code] != dtype || count != static_cast<uint64_t>(PyTuple_GET_SIZE(shape))) return 0;
    for (uint64_t i = 0; i < count; i++)
        if (PyLong_AsLongLong(PyTuple_GET_ITEM(shape, i)) != static_cast<int64_t>(word(tensor, known.sizes_at + i))) return 0;
    return 1;
}

// Learn where a shape and a dtype lie: some has 97 x 127 elements, and the others are of each dtype.
bool learn(PyTypeObject *size_type, PyObject *some, PyObject *others) {
    Py_ssize_t found = 0;
    const Tensor &tensor = in(some);
    for (Py_ssize_t i = 1; i + 6 < IMPL_WORDS; i++)
        if (word(tensor, i - 1) == 2 && word(tensor, i) == 97 && word(tensor, i + 1) == 127 &&
            word(tensor, i + MOST_DIMENSIONS) == 127 && word(tensor, i + MOST_DIMENSIONS + 1) == 1)
            known.sizes_at = i, found++;
    if (found != 1) return false;
    found = 0;
    for (Py_ssize_t byte = 0; byte < 8 * IMPL_WORDS; byte += 2) {
        PyObject *seen[DTYPES] = {};
        Py_ssize_t distinct = 0;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(others); i++) {
            PyObject *pair = PyList_GET_ITEM(others, i);
            const uint16_t code = code_at(in(PyTuple_GET_ITEM(pair, 0)), byte);
            if (code < DTYPES && !seen[code]) seen[code] = PyTuple_GET_ITEM(pair, 1), distinct++;
        }
        if (distinct != PyList_GET_SIZE(others)) continue;
        known.dtype_at = byte, found++;
        std::copy(seen, seen + DTYPES, known.dtypes);
    }
    known.size_type = size_type;
    known.shape = PyUnicode_InternFromString("shape");
    known.dtype = PyUnicode_InternFromString("dtype");
    return found == 1;
}

}  // namespace
