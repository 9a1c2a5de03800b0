/* The objects `Path` and `Transit`, as Python sees them; what they do is in `_transit.h`, what they mean is said in `transit.py`. */
#include "_transit.h"

static int stalls_from(Stalls *stalls, PyObject *gaps, PyObject *lengths, uint64_t seed, int64_t start_ns)
{
    *stalls = (Stalls){NULL, NULL, seed, 0, start_ns};
    if (!PyBytes_GET_SIZE(gaps))
        return 0;
    if (PyBytes_GET_SIZE(gaps) != 8 * QUANTILES || PyBytes_GET_SIZE(lengths) != 8 * QUANTILES)
        return -1;
    stalls->gaps = (const int64_t *)PyBytes_AS_STRING(gaps);
    stalls->lengths = (const int64_t *)PyBytes_AS_STRING(lengths);
    return 0;
}

static int path_init(Path *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"transit", "numbers", "seed", "start_ns", NULL};
    PyObject *transit, *numbers, *seed, *jitter, *gaps, *lengths;
    long long start_ns, base_ns, up_ps, down_ps, loss, rtt_ns, read_ps;
    if (self->numbers) {
        PyErr_SetString(PyExc_RuntimeError, "a path is made once");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!O!L", names, transit_type, &transit, &PyTuple_Type, &numbers, &PyLong_Type, &seed,
                                     &start_ns))
        return -1;
    if (!PyArg_ParseTuple(numbers, "LLLSLLSSL", &base_ns, &up_ps, &down_ps, &jitter, &loss, &rtt_ns, &gaps, &lengths, &read_ps))
        return -1;
    uint64_t state = PyLong_AsUnsignedLongLongMask(seed);
    if (PyErr_Occurred())
        return -1;
    uint64_t up_seed = dice(&state), down_seed = dice(&state), stalls_seed = dice(&state);
    Way *ways[] = {&self->up, &self->down};
    int wrong = PyBytes_GET_SIZE(jitter) != 8 * QUANTILES;
    for (size_t i = 0; i < 2 && !wrong; i++) {
        *ways[i] = (Way){.jitter = (const int64_t *)PyBytes_AS_STRING(jitter), .base_ns = base_ns, .ps_per_byte = i ? down_ps : up_ps,
                         .loss = loss, .rtt_ns = rtt_ns, .before_ns = start_ns - 2 * rtt_ns, .state = i ? down_seed : up_seed};
        wrong = stalls_from(&ways[i]->leaving, gaps, lengths, stalls_seed, start_ns) ||
                stalls_from(&ways[i]->landing, gaps, lengths, stalls_seed, start_ns);
    }
    if (wrong) {
        PyErr_SetString(PyExc_ValueError, "a table of quantiles has another length");
        return -1;
    }
    self->transit = (Transit *)Py_NewRef(transit);
    self->numbers = Py_NewRef(numbers);
    self->window_ns = WINDOW * down_ps / 1000;
    self->read_ps = read_ps;
    int64_t slowest_ps = later(down_ps, read_ps);
    self->read_size = slowest_ps ? sooner(READ_SIZE, later(READ_LEAST, READ_STEP_PS / slowest_ps)) : READ_SIZE;
    self->cut_ns = NEVER;
    return 0;
}

static PyObject *path_up(Path *self, PyObject *args)
{
    long long at_ns, size;
    return PyArg_ParseTuple(args, "LL", &at_ns, &size) ? PyLong_FromLongLong(passes(&self->up, at_ns, size, self->cut_ns)) : NULL;
}

static PyObject *path_down(Path *self, PyObject *args)
{
    long long at_ns, size;
    return PyArg_ParseTuple(args, "LL", &at_ns, &size) ? PyLong_FromLongLong(passes(&self->down, at_ns, size, self->cut_ns)) : NULL;
}

static PyObject *path_end(Path *self, PyObject *Py_UNUSED(ignored))
{
    for (size_t i = 0; i < self->sending.count; i++)
        self->frames_lost += !PyBytes_Check(self->sending.items[(self->sending.begin + i) & (self->sending.room - 1)].what);
    drop_all(&self->sending);
    drop_all(&self->coming);
    Py_RETURN_NONE;
}

static PyObject *path_lost(Path *self, void *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(self->up.lost + self->down.lost);
}

static int path_traverse(Path *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->transit);
    Py_VISIT(self->numbers);
    return 0;
}

static int path_clear(Path *self)
{
    drop_all(&self->sending);
    drop_all(&self->coming);
    Py_CLEAR(self->transit);
    return 0;
}

static void path_dealloc(Path *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    path_clear(self);
    Py_CLEAR(self->numbers);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyMemberDef path_members[] = {
    {"cut_ns", T_LONGLONG, offsetof(Path, cut_ns), 0, NULL},
    {"up_ns", T_LONGLONG, offsetof(Path, up_ns), READONLY, NULL},
    {"delayed_ns", T_LONGLONG, offsetof(Path, delayed_ns), READONLY, NULL},
    {"resume_ns", T_LONGLONG, offsetof(Path, resume_ns), READONLY, NULL},
    {"frames_lost", T_LONGLONG, offsetof(Path, frames_lost), READONLY, NULL},
    {"read_size", T_LONGLONG, offsetof(Path, read_size), READONLY, NULL},
    {0}};
static PyMethodDef path_methods[] = {{"up", (PyCFunction)path_up, METH_VARARGS, NULL},
                                     {"down", (PyCFunction)path_down, METH_VARARGS, NULL},
                                     {"end", (PyCFunction)path_end, METH_NOARGS, NULL},
                                     {0}};
static PyGetSetDef path_computed[] = {{"lost", (getter)path_lost, NULL, NULL, NULL}, {0}};
static PyType_Slot path_slots[] = {{Py_tp_init, path_init}, {Py_tp_new, PyType_GenericNew}, {Py_tp_traverse, path_traverse},
                                   {Py_tp_clear, path_clear}, {Py_tp_dealloc, path_dealloc}, {Py_tp_members, path_members},
                                   {Py_tp_methods, path_methods}, {Py_tp_getset, path_computed}, {0}};
static PyType_Spec path_spec = {"users._line.Path", sizeof(Path), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, path_slots};

static int transit_init(Transit *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"wake", NULL};
    PyObject *wake;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", names, &wake))
        return -1;
    Py_XSETREF(self->wake, Py_NewRef(wake));
    self->armed_ns = NEVER;
    return 0;
}

static PyObject *transit_hand_over(Transit *self, PyObject *now)
{
    int64_t now_ns = PyLong_AsLongLong(now);
    if (now_ns == -1 && PyErr_Occurred())
        return NULL;
    struct failure first = {0};
    self->armed_ns = 0;
    while (self->count && self->heap[0].at_ns <= now_ns) {
        Due due = transit_take(self);
        Path *path = (Path *)Py_XNewRef(due.line->path);
        if (path && path_due(path, due.line, due.what, now_ns) < 0)
            keep_first(&first);
        Py_XDECREF(path);
        Py_DECREF(due.line);
    }
    if (first.type) {
        PyErr_Restore(first.type, first.value, first.trace);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *transit_next(Transit *self, void *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(self->count ? self->heap[0].at_ns : NEVER);
}

static int transit_traverse(Transit *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->wake);
    for (size_t i = 0; i < self->count; i++)
        Py_VISIT(self->heap[i].line);
    return 0;
}

static int transit_clear(Transit *self)
{
    Py_CLEAR(self->wake);
    while (self->count)
        Py_DECREF(transit_take(self).line);
    PyMem_Free(self->heap);
    self->heap = NULL;
    self->room = 0;
    return 0;
}

static void transit_dealloc(Transit *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    transit_clear(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyMemberDef transit_members[] = {{"armed_ns", T_LONGLONG, offsetof(Transit, armed_ns), 0, NULL}, {0}};
static PyMethodDef transit_methods[] = {{"hand_over", (PyCFunction)transit_hand_over, METH_O, NULL}, {0}};
static PyGetSetDef transit_computed[] = {{"next_ns", (getter)transit_next, NULL, NULL, NULL}, {0}};
static PyType_Slot transit_slots[] = {{Py_tp_init, transit_init}, {Py_tp_new, PyType_GenericNew}, {Py_tp_traverse, transit_traverse},
                                      {Py_tp_clear, transit_clear}, {Py_tp_dealloc, transit_dealloc}, {Py_tp_members, transit_members},
                                      {Py_tp_methods, transit_methods}, {Py_tp_getset, transit_computed}, {0}};
static PyType_Spec transit_spec = {"users._line.Transit", sizeof(Transit), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, transit_slots};
