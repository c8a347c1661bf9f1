"""The step engine (simd/engine.h) for the kernels.  The level is chosen once, when `_engine` is imported."""

from libc.stdint cimport int64_t

cdef extern from "simd/engine.h" nogil:
    enum:
        LINEAR "FASTRNN_LINEAR"
        RELU "FASTRNN_RELU"
        TANH "FASTRNN_TANH"
        SIGMOID "FASTRNN_SIGMOID"
    enum:
        RNN_TANH "FASTRNN_RNN_TANH"
        RNN_RELU "FASTRNN_RNN_RELU"
        LSTM "FASTRNN_LSTM"
        LSTM_PEEPHOLE "FASTRNN_LSTM_PEEPHOLE"
        LSTM_COUPLED "FASTRNN_LSTM_COUPLED"
        LSTM_PEEPHOLE_COUPLED "FASTRNN_LSTM_PEEPHOLE_COUPLED"
        LSTM_PROJECTED "FASTRNN_LSTM_PROJECTED"
        GRU "FASTRNN_GRU"
        GRU_BEFORE "FASTRNN_GRU_BEFORE"
        CELLS "FASTRNN_CELLS"

    ctypedef struct Form "fastrnn_form":
        int gates, memory, extra, kept, carries, late, projects

    ctypedef struct Product "fastrnn_product":
        Py_ssize_t m, k, n, group, vectors, first, last
        const void* a
        Py_ssize_t row, step
        const void* b
        const void* start
        Py_ssize_t start_row
        void* out
        Py_ssize_t out_row
        int activation

    ctypedef struct Step "fastrnn_step":
        Py_ssize_t rows, units, width, depth, first, last
        int half
        int backwards
        const void* read
        Py_ssize_t read_row
        const void* W
        const void* pre
        Py_ssize_t pre_row
        const void* extra
        const void* before
        Py_ssize_t before_row
        void* c
        Py_ssize_t c_row
        void* h
        Py_ssize_t h_row
        void* y
        Py_ssize_t y_row, y_step
        const int64_t* y_index
        void* kept
        Py_ssize_t kept_row

    ctypedef struct Back "fastrnn_back":
        Py_ssize_t rows, units, width, first, last
        int half
        const void* extra
        const void* dy
        Py_ssize_t dy_row, dy_step
        const int64_t* dy_index
        void* dh
        Py_ssize_t dh_row
        void* dc
        Py_ssize_t dc_row
        const void* before
        Py_ssize_t before_row
        const void* after
        Py_ssize_t after_row
        const void* product
        Py_ssize_t product_row
        const void* mask
        void* kept
        Py_ssize_t kept_row

    ctypedef struct Engine "fastrnn_engine":
        const char* level
        Py_ssize_t lanes
        void (*product)(const Product*) noexcept nogil
        void (*step[CELLS])(const Step*) noexcept nogil
        void (*back[CELLS])(const Back*) noexcept nogil
        void (*pack)(Py_ssize_t k, Py_ssize_t count, const void* source, Py_ssize_t along_k,
                     Py_ssize_t along_n, Py_ssize_t group, void* out) noexcept nogil
        void (*activate)(int activation, Py_ssize_t n, void* x) noexcept nogil
        void (*slope)(int activation, Py_ssize_t n, const void* y, const void* dy, void* da) noexcept nogil
        void (*sum_rows)(Py_ssize_t rows, Py_ssize_t n, const void* a, Py_ssize_t row, const void* start,
                         void* out) noexcept nogil
        void (*sum_products)(Py_ssize_t rows, Py_ssize_t n, const void* a, Py_ssize_t row, const void* b,
                             Py_ssize_t b_row, const int64_t* index, const void* start, void* out) noexcept nogil
        double (*spin)(Py_ssize_t rounds) noexcept nogil

    ctypedef struct Relay "fastrnn_relay":
        int done
    enum:
        SHARES "FASTRNN_SHARES"

ctypedef fused real:
    float
    double


cdef enum:
    FEW_MULTIPLY_ADDS = 4000000  # below, waking a second thread costs more than it brings

# Both tables of the level in use: [0] for float, [1] for double.
cdef const Engine* engine(bint wide) noexcept nogil
# What there is to know of a cell.
cdef const Form* form_of(int cell) noexcept nogil


cdef inline int halves_of(const Form* form) noexcept nogil:
    """1, or 2: the second half of a step needs what all units made in the first."""
    return 1 + form.late + form.projects


# The relay of simd/engine.h.
cdef bint take(Relay* relay, int share, int item) noexcept nogil
cdef void finish(Relay* relay) noexcept nogil
cdef void await_done(Relay* relay, int done) noexcept nogil
# Flush denormals to zero in this thread; give what it returns to restore_mode.
cdef unsigned long flush_denormals() noexcept nogil
cdef void restore_mode(unsigned long mode) noexcept nogil
