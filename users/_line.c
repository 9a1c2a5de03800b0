/* `users/line.py` in C: what is done for every frame that is sent and every message that is read of a plain socket.
 *
 * Same classes, same functions, same results; what they mean is said there. Only the usual case is done here: the kernel takes a whole
 * frame; a read gives one whole message that may be held. Everything else is handed to the line's owner in Python.
 * All of it runs on the event loop's thread, under the interpreter's lock: the buffers are static.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <sys/epoll.h>

#include "_line.h"

typedef struct {
    PyObject_HEAD
    Line *line;
    PyObject *idle, *frames;
    long long next, speech_from, shift, mark, worst_ns, spoken_worst_ns;
} Capture;

static PyTypeObject *capture_type;
static PyObject *marked_name;

/* ---- a microphone's frames */

/* 1: that was the last of what is spoken; 0: not; -1: exception. */
static int call_marked(Capture *self, PyObject *due, int64_t sent_ns, int sent)
{
    PyObject *result = NULL, *at = PyLong_FromLongLong(sent_ns);
    if (at)
        result = PyObject_CallMethodObjArgs((PyObject *)self, marked_name, due, at, sent ? Py_True : Py_False, NULL);
    Py_XDECREF(at);
    return truth(result) < 0 ? -1 : self->frames == Py_None;
}

/* 1: something changed; 0: not; -1: exception. */
static int capture_one(Capture *self, PyObject *due, int64_t due_ns, PyObject *late)
{
    if (!self->line->open)
        return 1;
    long long index = self->next++;
    int spoken = index >= self->speech_from && self->frames != Py_None;
    PyObject *frame;
    if (!spoken) {
        Py_ssize_t size = PyTuple_GET_SIZE(self->idle);
        frame = PyTuple_GET_ITEM(self->idle, size == 1 ? 0 : (index + self->shift) % size);
    } else {
        if (!PyTuple_Check(self->frames) || index - self->speech_from >= PyTuple_GET_SIZE(self->frames)) {
            PyErr_SetString(PyExc_IndexError, "no frame is left of what is spoken");
            return -1;
        }
        frame = PyTuple_GET_ITEM(self->frames, index - self->speech_from);
    }
    int sent = send_frame(self->line, frame);
    int64_t sent_ns = clock_ns(CLOCK_MONOTONIC), late_ns = sent_ns - due_ns;
    if (sent < 0) {
        struct failure first = {0};
        keep_first(&first);
        if (index == self->mark && call_marked(self, due, sent_ns, 0) < 0)
            keep_first(&first);
        PyErr_Restore(first.type, first.value, first.trace);
        return -1;
    }
    if (append(late, late_ns))
        return -1;
    if (late_ns > self->worst_ns)
        self->worst_ns = late_ns;
    if (spoken && late_ns > self->spoken_worst_ns)
        self->spoken_worst_ns = late_ns;
    return index == self->mark ? call_marked(self, due, sent_ns, sent) : 0;
}

static int capture_init(Capture *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"line", "idle", NULL};
    PyObject *line, *idle;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!", names, line_type, &line, &PyTuple_Type, &idle))
        return -1;
    if (!PyTuple_GET_SIZE(idle)) {
        PyErr_SetString(PyExc_ValueError, "a microphone hears something all the time");
        return -1;
    }
    Py_XSETREF(self->line, (Line *)Py_NewRef(line));
    Py_XSETREF(self->idle, Py_NewRef(idle));
    Py_XSETREF(self->frames, Py_NewRef(Py_None));
    self->mark = self->worst_ns = self->spoken_worst_ns = -1;
    return 0;
}

static int capture_traverse(Capture *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->line);
    Py_VISIT(self->idle);
    Py_VISIT(self->frames);
    return 0;
}

static int capture_clear(Capture *self)
{
    Py_CLEAR(self->line);
    Py_CLEAR(self->idle);
    Py_CLEAR(self->frames);
    return 0;
}

static void capture_dealloc(Capture *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    capture_clear(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyMemberDef capture_members[] = {
    {"line", T_OBJECT, offsetof(Capture, line), READONLY, NULL},
    {"frames", T_OBJECT, offsetof(Capture, frames), 0, NULL},
    {"next", T_LONGLONG, offsetof(Capture, next), 0, NULL},
    {"speech_from", T_LONGLONG, offsetof(Capture, speech_from), 0, NULL},
    {"shift", T_LONGLONG, offsetof(Capture, shift), 0, NULL},
    {"mark", T_LONGLONG, offsetof(Capture, mark), 0, NULL},
    {"worst_ns", T_LONGLONG, offsetof(Capture, worst_ns), 0, NULL},
    {"spoken_worst_ns", T_LONGLONG, offsetof(Capture, spoken_worst_ns), 0, NULL},
    {0}};

static PyType_Slot capture_slots[] = {{Py_tp_init, capture_init}, {Py_tp_new, PyType_GenericNew}, {Py_tp_traverse, capture_traverse},
                                      {Py_tp_clear, capture_clear}, {Py_tp_dealloc, capture_dealloc}, {Py_tp_members, capture_members},
                                      {0}};
static PyType_Spec capture_spec = {"users._line.Capture", sizeof(Capture), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, capture_slots};

/* ---- all that is due, all that has arrived. One that fails holds up no other: the first exception is raised at the end. */

static PyObject *capture_all(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *captures, *due, *late;
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyList_Type, &captures, &PyLong_Type, &due, &PyList_Type, &late))
        return NULL;
    int64_t due_ns = PyLong_AsLongLong(due);
    if (due_ns == -1 && PyErr_Occurred())
        return NULL;
    int changed = 0;
    struct failure first = {0};
    Py_INCREF(captures);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(captures); i++) {
        PyObject *capture = Py_NewRef(PyList_GET_ITEM(captures, i));
        int one = -1;
        if (PyObject_TypeCheck(capture, capture_type) && ((Capture *)capture)->line)
            one = capture_one((Capture *)capture, due, due_ns, late);
        else
            PyErr_SetString(PyExc_TypeError, "not a Capture");
        if (one < 0)
            keep_first(&first);
        changed |= one != 0;
        Py_DECREF(capture);
    }
    Py_DECREF(captures);
    if (first.type) {
        PyErr_Restore(first.type, first.value, first.trace);
        return NULL;
    }
    return PyBool_FromLong(changed);
}

static PyObject *look(PyObject *Py_UNUSED(module), PyObject *args)
{
    static struct epoll_event events[AT_ONCE];
    PyObject *poller, *lines;
    if (!PyArg_ParseTuple(args, "OO!", &poller, &PyDict_Type, &lines))
        return NULL;
    int fd = PyObject_AsFileDescriptor(poller);
    if (fd < 0)
        return NULL;
    int found = epoll_wait(fd, events, AT_ONCE, 0);
    if (found < 0 && errno != EINTR)
        return PyErr_SetFromErrno(PyExc_OSError);
    struct failure first = {0};
    for (int i = 0; i < found; i++) {
        PyObject *key = PyLong_FromLong(events[i].data.fd);
        PyObject *line = key ? PyDict_GetItemWithError(lines, key) : NULL; /* NULL: another, read before it, has taken it away */
        Py_XINCREF(line);
        Py_XDECREF(key);
        if (line && !PyObject_TypeCheck(line, line_type))
            PyErr_SetString(PyExc_TypeError, "not a Line");
        else if (line && !read_line((Line *)line) && ((Line *)line)->path && ((Line *)line)->path->resume_ns)
            path_pause(((Line *)line)->path, (Line *)line, fd);
        if (PyErr_Occurred())
            keep_first(&first);
        Py_XDECREF(line);
    }
    if (first.type) {
        PyErr_Restore(first.type, first.value, first.trace);
        return NULL;
    }
    return PyLong_FromLong(found < 0 ? 0 : found);
}

static PyMethodDef functions[] = {{"capture_all", capture_all, METH_VARARGS, NULL}, {"look", look, METH_VARARGS, NULL}, {0}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "users._line", .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit__line(void)
{
    const struct {
        PyObject **name;
        const char *text;
    } names[] = {{&wire_name, "wire"}, {&size_name, "size"}, {&send_wire_name, "send_wire"}, {&overfull_name, "overfull"}, {&marked_name, "marked"}, {&send_later_name, "send_later"}, {&send_rest_name, "send_rest"},
                 {&send_failed_name, "send_failed"}, {&arrived_name, "arrived"}, {&read_failed_name, "read_failed"}, {&full_name, "full"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!(*names[i].name = PyUnicode_InternFromString(names[i].text)))
            return NULL;
    PyObject *module = PyModule_Create(&definition);
    line_type = (PyTypeObject *)PyType_FromSpec(&line_spec);
    capture_type = (PyTypeObject *)PyType_FromSpec(&capture_spec);
    path_type = (PyTypeObject *)PyType_FromSpec(&path_spec);
    transit_type = (PyTypeObject *)PyType_FromSpec(&transit_spec);
    PyTypeObject *types[] = {line_type, capture_type, path_type, transit_type};
    int failed = !module;
    for (size_t i = 0; i < sizeof types / sizeof *types && !failed; i++)
        failed = !types[i] || PyModule_AddType(module, types[i]);
    if (failed) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
