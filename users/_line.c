/* `users/line.py` in C: what is done for every frame that is sent and every message that is read of a plain socket.
 *
 * Same classes, same functions, same results; what they mean is said there. Only the usual case is done here: the kernel takes a whole
 * frame; a read gives one whole text message that may be held. Everything else is handed to the line's owner in Python.
 * All of it runs on the event loop's thread, under the interpreter's lock: the buffers are static.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

enum { READ_SIZE = 1 << 16, FRAME_MAX = (1 << 16) + 16, AT_ONCE = 4096, KEYS = 1024, KEY_SIZE = 4 };
enum { WHOLE_TEXT = 0x81, LENGTH_16 = 126, LENGTH_64 = 127, HEADER_16 = 4, HELD_MAX = 16, LONGEST_ID = 128 };
static const int64_t NS_PER_S = 1000000000, OLDEST_NS = 60 * (int64_t)1000000000;

typedef struct {
    PyObject_HEAD
    int fd;
    char stamped, open, clear, between;
    long long arrived_ns, frames_sent, messages;
    PyObject *owner, *alike, *held;
} Line;

typedef struct {
    PyObject_HEAD
    Line *line;
    PyObject *silence, *frames;
    long long next, speech_from, mark, worst_ns, spoken_worst_ns;
} Capture;

static PyTypeObject *line_type, *capture_type;
static PyObject *wire_name, *marked_name, *send_later_name, *send_rest_name, *send_failed_name, *arrived_name, *read_failed_name,
    *full_name;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

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

/* ---- sending */

static uint32_t next_key(void)
{
    static uint32_t keys[KEYS];
    static size_t left;
    if (!left) {
        for (size_t got = 0; got < sizeof keys;) {
            ssize_t more = getrandom((char *)keys + got, sizeof keys - got, 0);
            got += more > 0 ? (size_t)more : 0;
        }
        left = KEYS;
    }
    return keys[--left];
}

/* Copies a prepared frame, masked with `key`: its key, which is zero, and its payload XOR the key repeated. `wire` is as long as whole words
   after the header need it to be. Returns the frame's size, 0 where it does not fit. */
static size_t masked(uint8_t *out, const uint8_t *wire, size_t room, uint32_t key)
{
    size_t header = 2, payload = wire[1] & 0x7F;
    if (payload == LENGTH_16) {
        header = HEADER_16;
        payload = (size_t)wire[2] << 8 | wire[3];
    } else if (payload == LENGTH_64) {
        return 0;
    }
    size_t words = (KEY_SIZE + payload + 3) / 4;
    if (header + 4 * words > room)
        return 0;
    memcpy(out, wire, header);
    for (size_t i = 0; i < words; i++) {
        uint32_t word;
        memcpy(&word, wire + header + 4 * i, 4);
        word ^= key;
        memcpy(out + header + 4 * i, &word, 4);
    }
    return header + KEY_SIZE + payload;
}

/* 1: sent or queued; 0: not; -1: exception. */
static int send_frame(Line *line, PyObject *frame)
{
    static uint8_t out[FRAME_MAX];
    if (!line->open)
        return 0;
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

/* ---- reading */

/* When the bytes came: by the kernel's stamp, which is of the wall clock, as far as it can be true; else now. */
static int64_t arrival_ns(struct msghdr *message)
{
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            int64_t age = clock_ns(CLOCK_REALTIME) - (stamp.tv_sec * NS_PER_S + stamp.tv_nsec);
            if (age >= 0 && age < OLDEST_NS)
                return now - age;
        }
    return now;
}

/* Whether these bytes are one whole text message with a 16-bit length, as most reads of a call are. */
static int is_whole_text(const uint8_t *bytes, size_t size)
{
    return size > HEADER_16 + 125 && bytes[0] == WHOLE_TEXT && bytes[1] == LENGTH_16 && size - HEADER_16 == ((size_t)bytes[2] << 8 | bytes[3]);
}

/* Whether `text` goes on at `at` with this literal. */
static int goes_on_with(const char *text, size_t size, size_t at, PyObject *literal)
{
    size_t length = (size_t)PyBytes_GET_SIZE(literal);
    return length <= size - at && !memcmp(text + at, PyBytes_AS_STRING(literal), length);
}

/* `protocol.alike.Alike.samples`; -1 for None. */
static long long alike_samples(const char *text, size_t size, PyObject *alike)
{
    Py_ssize_t count = PyTuple_GET_SIZE(alike);
    for (Py_ssize_t i = 0; i < count; i++)
        if (!PyBytes_Check(PyTuple_GET_ITEM(alike, i)))
            return -1;
    if (count < 2 || !goes_on_with(text, size, 0, PyTuple_GET_ITEM(alike, 0)))
        return -1;
    size_t at = (size_t)PyBytes_GET_SIZE(PyTuple_GET_ITEM(alike, 0));
    for (Py_ssize_t i = 1; i < count - 1; i++) {
        const char *quote = memchr(text + at, '"', size - at < LONGEST_ID + 1 ? size - at : LONGEST_ID + 1);
        if (!quote || !goes_on_with(text, size, (size_t)(quote - text), PyTuple_GET_ITEM(alike, i)))
            return -1;
        at = (size_t)(quote - text) + (size_t)PyBytes_GET_SIZE(PyTuple_GET_ITEM(alike, i));
    }
    PyObject *last = PyTuple_GET_ITEM(alike, count - 1);
    if (size - at <= (size_t)PyBytes_GET_SIZE(last))
        return -1;
    size_t length = size - at - (size_t)PyBytes_GET_SIZE(last);
    if (length & 3 || !goes_on_with(text, size, at + length, last) || memchr(text + at, '"', length) || memchr(text + at, '\\', length))
        return -1;
    const char *end = text + at + length;
    long long padding = end[-1] != '=' ? 0 : end[-2] != '=' ? 1 : 2, bytes = (long long)(length / 4 * 3) - padding;
    return bytes & 1 ? -1 : bytes >> 1;
}

static int hold(Line *line, long long samples)
{
    if (append(line->held, line->arrived_ns) || append(line->held, samples))
        return -1;
    line->messages++;
    if (PyList_GET_SIZE(line->held) < 2 * HELD_MAX)
        return 0;
    return truth(PyObject_CallMethodNoArgs(line->owner, full_name)) < 0 ? -1 : 0;
}

/* 0, or -1 with an exception. */
static int read_line(Line *line)
{
    static uint8_t bytes[READ_SIZE];
    union {
        char space[CMSG_SPACE(sizeof(struct timespec))];
        struct cmsghdr aligned;
    } control;
    struct iovec into = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1};
    if (line->stamped) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    ssize_t size = recvmsg(line->fd, &message, MSG_DONTWAIT);
    if (size < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return 0;
        PyObject *number = PyLong_FromLong(errno);
        int failed = number ? truth(PyObject_CallMethodOneArg(line->owner, read_failed_name, number)) : -1;
        Py_XDECREF(number);
        return failed < 0 ? -1 : 0;
    }
    int64_t arrived = arrival_ns(&message);
    if (arrived > line->arrived_ns)
        line->arrived_ns = arrived;
    if (line->between && PyTuple_Check(line->alike) && PyList_Check(line->held) && is_whole_text(bytes, (size_t)size)) {
        long long samples = alike_samples((const char *)bytes + HEADER_16, (size_t)size - HEADER_16, line->alike);
        if (samples >= 0)
            return hold(line, samples);
    }
    PyObject *result = NULL, *at = PyLong_FromLongLong(line->arrived_ns), *data = PyBytes_FromStringAndSize((char *)bytes, size);
    if (at && data)
        result = PyObject_CallMethodObjArgs(line->owner, arrived_name, at, data, NULL);
    Py_XDECREF(at);
    Py_XDECREF(data);
    return truth(result) < 0 ? -1 : 0;
}

/* ---- a line */

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
    Py_XSETREF(self->held, PyList_New(0));
    return self->held ? 0 : -1;
}

static int line_traverse(Line *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->owner);
    Py_VISIT(self->alike);
    Py_VISIT(self->held);
    return 0;
}

static int line_clear(Line *self)
{
    Py_CLEAR(self->owner);
    Py_CLEAR(self->alike);
    Py_CLEAR(self->held);
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

static PyMemberDef line_members[] = {
    {"fd", T_INT, offsetof(Line, fd), READONLY, NULL},
    {"open", T_BOOL, offsetof(Line, open), 0, NULL},
    {"clear", T_BOOL, offsetof(Line, clear), 0, NULL},
    {"between", T_BOOL, offsetof(Line, between), 0, NULL},
    {"arrived_ns", T_LONGLONG, offsetof(Line, arrived_ns), 0, NULL},
    {"frames_sent", T_LONGLONG, offsetof(Line, frames_sent), 0, NULL},
    {"messages", T_LONGLONG, offsetof(Line, messages), 0, NULL},
    {"owner", T_OBJECT, offsetof(Line, owner), 0, NULL},
    {"alike", T_OBJECT, offsetof(Line, alike), 0, NULL},
    {"held", T_OBJECT, offsetof(Line, held), 0, NULL},
    {0}};

static PyMethodDef line_methods[] = {
    {"send", (PyCFunction)line_send, METH_O, NULL}, {"read", (PyCFunction)line_read, METH_NOARGS, NULL}, {0}};

static PyType_Slot line_slots[] = {{Py_tp_init, line_init}, {Py_tp_new, PyType_GenericNew}, {Py_tp_traverse, line_traverse},
                                   {Py_tp_clear, line_clear}, {Py_tp_dealloc, line_dealloc}, {Py_tp_members, line_members},
                                   {Py_tp_methods, line_methods}, {0}};
static PyType_Spec line_spec = {"users._line.Line", sizeof(Line), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, line_slots};

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
    PyObject *frame = self->silence;
    if (spoken) {
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
    static char *names[] = {"line", "silence", NULL};
    PyObject *line, *silence;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O", names, line_type, &line, &silence))
        return -1;
    Py_XSETREF(self->line, (Line *)Py_NewRef(line));
    Py_XSETREF(self->silence, Py_NewRef(silence));
    Py_XSETREF(self->frames, Py_NewRef(Py_None));
    self->mark = self->worst_ns = self->spoken_worst_ns = -1;
    return 0;
}

static int capture_traverse(Capture *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->line);
    Py_VISIT(self->silence);
    Py_VISIT(self->frames);
    return 0;
}

static int capture_clear(Capture *self)
{
    Py_CLEAR(self->line);
    Py_CLEAR(self->silence);
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
        else if (line)
            read_line((Line *)line);
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
    } names[] = {{&wire_name, "wire"}, {&marked_name, "marked"}, {&send_later_name, "send_later"}, {&send_rest_name, "send_rest"},
                 {&send_failed_name, "send_failed"}, {&arrived_name, "arrived"}, {&read_failed_name, "read_failed"}, {&full_name, "full"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!(*names[i].name = PyUnicode_InternFromString(names[i].text)))
            return NULL;
    PyObject *module = PyModule_Create(&definition);
    line_type = (PyTypeObject *)PyType_FromSpec(&line_spec);
    capture_type = (PyTypeObject *)PyType_FromSpec(&capture_spec);
    if (!module || !line_type || !capture_type || PyModule_AddType(module, line_type) || PyModule_AddType(module, capture_type)) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
