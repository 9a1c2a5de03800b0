/* A line: a talker's socket. Included by `_line.c`, which says what for; what it means is said in `line.py`. */
#include <Python.h>
#include <structmember.h>

#include <errno.h>

#include "_wire.h"

struct Path;

typedef struct {
    PyObject_HEAD
    int fd;
    char stamped, open, clear, between;
    long long arrived_ns, frames_sent, messages, heard_ns, lull_ns;
    PyObject *owner, *alike, *held, *stamp;
    struct Path *path; /* NULL: none */
} Line;

static PyTypeObject *line_type;
static PyObject *wire_name, *size_name, *send_later_name, *send_rest_name, *send_failed_name, *arrived_name, *read_failed_name, *full_name;

/* Whether what a method of the owner returned is true; -1 with an exception. Takes the reference. */
static int truth(PyObject *result)
{
    int true_ = result ? PyObject_IsTrue(result) : -1;
    Py_XDECREF(result);
    return true_;
}

static int append(PyObject *list, long long number)
{
    PyObject *made = PyLong_FromLongLong(number);
    int failed = made ? PyList_Append(list, made) : -1;
    Py_XDECREF(made);
    return failed;
}

/* The first of several exceptions; those after it are only printed. */
struct failure {
    PyObject *type, *value, *trace;
};

static void keep_first(struct failure *first)
{
    if (first->type)
        PyErr_WriteUnraisable(NULL);
    else
        PyErr_Fetch(&first->type, &first->value, &first->trace);
}

/* ---- what is held */

static int hold(Line *line, long long at_ns, long long samples)
{
    if (append(line->held, at_ns) || append(line->held, samples))
        return -1;
    line->messages++;
    if (PyList_GET_SIZE(line->held) % (2 * HELD_MAX))
        return 0;
    return truth(PyObject_CallMethodNoArgs(line->owner, full_name)) < 0 ? -1 : 0;
}

/* 1: these bytes are a message that is held; 0: they are not; -1: exception. */
static int hold_alike(Line *line, const uint8_t *bytes, size_t size, int64_t at_ns)
{
    if (!PyTuple_Check(line->alike) || !PyList_Check(line->held) || (line->lull_ns && at_ns - line->heard_ns > line->lull_ns))
        return 0;
    if (!is_whole(bytes, size, PyTuple_GET_SIZE(line->alike) == 1 ? WHOLE_BINARY : WHOLE_TEXT))
        return 0;
    long long samples = alike_samples((const char *)bytes + HEADER_16, size - HEADER_16, line->alike);
    if (samples < 0)
        return 0;
    line->heard_ns = at_ns;
    return hold(line, at_ns, samples) ? -1 : 1;
}

#include "_path.h"

/* ---- sending */

/* 1: sent or queued; 0: not; -1: exception. */
static int send_now(Line *line, PyObject *frame)
{
    static uint8_t out[FRAME_MAX];
    if (!line->clear)
        return truth(PyObject_CallMethodOneArg(line->owner, send_later_name, frame));
    PyObject *wire = PyObject_GetAttr(frame, wire_name);
    if (!wire)
        return -1;
    size_t size = 0;
    if (PyBytes_Check(wire) && PyBytes_GET_SIZE(wire) >= 2 + KEY_SIZE && PyBytes_GET_SIZE(wire) <= FRAME_MAX)
        size = masked(out, (const uint8_t *)PyBytes_AS_STRING(wire), (size_t)PyBytes_GET_SIZE(wire), next_key());
    Py_DECREF(wire);
    if (!size)
        return truth(PyObject_CallMethodOneArg(line->owner, send_later_name, frame));
    ssize_t taken = send(line->fd, out, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken == (ssize_t)size) {
        line->frames_sent++;
        return 1;
    }
    if (taken < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        PyObject *number = PyLong_FromLong(errno);
        int sent = number ? truth(PyObject_CallMethodOneArg(line->owner, send_failed_name, number)) : -1;
        Py_XDECREF(number);
        return sent;
    }
    size_t begin = taken < 0 ? 0 : (size_t)taken;
    PyObject *rest = PyBytes_FromStringAndSize((char *)out + begin, (Py_ssize_t)(size - begin));
    int sent = rest ? truth(PyObject_CallMethodOneArg(line->owner, send_rest_name, rest)) : -1;
    Py_XDECREF(rest);
    return sent;
}

/* As `send_now`, by the path where there is one. */
static int send_by_path(Line *line, PyObject *frame)
{
    if (!line->path)
        return send_now(line, frame);
    PyObject *size = PyObject_GetAttr(frame, size_name);
    long long bytes = size ? PyLong_AsLongLong(size) : -1;
    Py_XDECREF(size);
    return bytes < 0 ? -1 : path_send(line->path, line, frame, bytes);
}

/* As `send_by_path`, stamped where the line stamps. */
static int send_frame(Line *line, PyObject *frame)
{
    if (!line->open)
        return 0;
    if (line->stamp == Py_None)
        return send_by_path(line, frame);
    PyObject *stamped = PyObject_CallOneArg(line->stamp, frame);
    int sent = stamped ? send_by_path(line, stamped) : -1;
    Py_XDECREF(stamped);
    return sent;
}

/* ---- reading */

/* Hands bytes to the owner; 0, or -1 with an exception. Takes the reference to `data`, which may be NULL with one. */
static int arrived(Line *line, int64_t at_ns, PyObject *data)
{
    PyObject *result = NULL, *at = PyLong_FromLongLong(at_ns);
    if (at && data)
        result = PyObject_CallMethodObjArgs(line->owner, arrived_name, at, data, NULL);
    Py_XDECREF(at);
    Py_XDECREF(data);
    return truth(result) < 0 ? -1 : 0;
}

static int read_failed(Line *line, int error)
{
    PyObject *number = PyLong_FromLong(error);
    int failed = number ? truth(PyObject_CallMethodOneArg(line->owner, read_failed_name, number)) : -1;
    Py_XDECREF(number);
    return failed < 0 ? -1 : 0;
}

/* 0, or -1 with an exception. */
static int read_line(Line *line)
{
    static uint8_t bytes[READ_SIZE];
    union {
        char space[CMSG_SPACE(sizeof(struct timespec))];
        struct cmsghdr aligned;
    } control;
    Path *path = line->path;
    struct iovec into = {bytes, path ? (size_t)path->read_size : sizeof bytes};
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1};
    if (line->stamped) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    ssize_t size = recvmsg(line->fd, &message, MSG_DONTWAIT);
    if (size < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return 0;
        int error = errno;
        if (!path)
            return read_failed(line, error);
        line->arrived_ns = later(line->arrived_ns, clock_ns(CLOCK_MONOTONIC));
        return path_came(path, line, NULL, 0, error) < 0 ? -1 : 0;
    }
    line->arrived_ns = later(line->arrived_ns, arrival_ns(&message));
    if (path)
        return path_came(path, line, bytes, size, 0) < 0 ? -1 : 0;
    int held = line->between ? hold_alike(line, bytes, (size_t)size, line->arrived_ns) : 0;
    return held < 0 ? -1 : held ? 0 : arrived(line, line->arrived_ns, PyBytes_FromStringAndSize((char *)bytes, size));
}

/* ---- the object */

static int line_init(Line *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"sock", "stamped", "owner", NULL};
    int stamped;
    PyObject *sock, *owner;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OpO", names, &sock, &stamped, &owner))
        return -1;
    if ((self->fd = PyObject_AsFileDescriptor(sock)) < 0)
        return -1;
    self->stamped = (char)stamped;
    self->open = 1;
    Py_XSETREF(self->owner, Py_NewRef(owner));
    Py_XSETREF(self->alike, Py_NewRef(Py_None));
    Py_XSETREF(self->stamp, Py_NewRef(Py_None));
    Py_XSETREF(self->held, PyList_New(0));
    return self->held ? 0 : -1;
}

static int line_traverse(Line *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->owner);
    Py_VISIT(self->alike);
    Py_VISIT(self->held);
    Py_VISIT(self->stamp);
    Py_VISIT(self->path);
    return 0;
}

static int line_clear(Line *self)
{
    Py_CLEAR(self->owner);
    Py_CLEAR(self->alike);
    Py_CLEAR(self->held);
    Py_CLEAR(self->stamp);
    Py_CLEAR(self->path);
    return 0;
}

static void line_dealloc(Line *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    line_clear(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

/* What a method returns for -1, 0, 1. */
static PyObject *told(int result)
{
    return result < 0 ? NULL : PyBool_FromLong(result);
}

static PyObject *line_send(Line *self, PyObject *frame)
{
    return told(send_frame(self, frame));
}

static PyObject *line_read(Line *self, PyObject *Py_UNUSED(ignored))
{
    if (read_line(self))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *line_put(Line *self, PyObject *wire)
{
    if (!PyBytes_Check(wire)) {
        PyErr_SetString(PyExc_TypeError, "not bytes");
        return NULL;
    }
    if (!self->path || !self->owner || self->owner == Py_None)
        Py_RETURN_FALSE;
    return told(path_send(self->path, self, wire, PyBytes_GET_SIZE(wire)));
}

static PyObject *line_path(Line *self, void *Py_UNUSED(ignored))
{
    return Py_NewRef(self->path ? (PyObject *)self->path : Py_None);
}

static int line_set_path(Line *self, PyObject *path, void *Py_UNUSED(ignored))
{
    if (path && path != Py_None && !PyObject_TypeCheck(path, path_type)) {
        PyErr_SetString(PyExc_TypeError, "not a Path");
        return -1;
    }
    Path *set = path && path != Py_None ? (Path *)Py_NewRef(path) : NULL;
    Py_XSETREF(self->path, set);
    return 0;
}

static PyMemberDef line_members[] = {
    {"fd", T_INT, offsetof(Line, fd), READONLY, NULL},
    {"open", T_BOOL, offsetof(Line, open), 0, NULL},
    {"clear", T_BOOL, offsetof(Line, clear), 0, NULL},
    {"between", T_BOOL, offsetof(Line, between), 0, NULL},
    {"arrived_ns", T_LONGLONG, offsetof(Line, arrived_ns), 0, NULL},
    {"frames_sent", T_LONGLONG, offsetof(Line, frames_sent), 0, NULL},
    {"messages", T_LONGLONG, offsetof(Line, messages), 0, NULL},
    {"heard_ns", T_LONGLONG, offsetof(Line, heard_ns), 0, NULL},
    {"lull_ns", T_LONGLONG, offsetof(Line, lull_ns), 0, NULL},
    {"owner", T_OBJECT, offsetof(Line, owner), 0, NULL},
    {"alike", T_OBJECT, offsetof(Line, alike), 0, NULL},
    {"held", T_OBJECT, offsetof(Line, held), 0, NULL},
    {"stamp", T_OBJECT, offsetof(Line, stamp), 0, NULL},
    {0}};

static PyMethodDef line_methods[] = {
    {"send", (PyCFunction)line_send, METH_O, NULL},
    {"put", (PyCFunction)line_put, METH_O, NULL},
    {"read", (PyCFunction)line_read, METH_NOARGS, NULL},
    {0}};
static PyGetSetDef line_computed[] = {{"path", (getter)line_path, (setter)line_set_path, NULL, NULL}, {0}};

static PyType_Slot line_slots[] = {{Py_tp_init, line_init}, {Py_tp_new, PyType_GenericNew}, {Py_tp_traverse, line_traverse},
                                   {Py_tp_clear, line_clear}, {Py_tp_dealloc, line_dealloc}, {Py_tp_members, line_members},
                                   {Py_tp_methods, line_methods}, {Py_tp_getset, line_computed}, {0}};
static PyType_Spec line_spec = {"users._line.Line", sizeof(Line), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, line_slots};
