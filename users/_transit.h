/* `users/transit.py` in C: a talker's network path, and who hands over what is due. What it means is said there. Included by `_line.h`,
 * which has the line before it.
 */
#include <sys/epoll.h>

#include "_way.h"

enum { UP, DOWN, READ, GRID_NS = 1000000, WINDOW = 65536, WAITING_MAX = 1 << 20, READ_LEAST = 8192 };
static const int64_t READ_STEP_PS = 10000000 * (int64_t)1000;

/* What waits: a frame or bytes; an error number where `what` is NULL. */
typedef struct {
    int64_t at_ns, stamp_ns, size;
    PyObject *what;
    int error;
} Waiting;

typedef struct {
    Waiting *items;
    size_t begin, count, room;
} Queue;

typedef struct {
    int64_t at_ns;
    uint64_t made;
    Line *line;
    int what;
} Due;

typedef struct {
    PyObject_HEAD
    PyObject *wake;
    Due *heap;
    size_t count, room;
    uint64_t made;
    long long armed_ns;
} Transit;

typedef struct Path {
    PyObject_HEAD
    Transit *transit;
    PyObject *numbers;
    Way up, down;
    Queue sending, coming;
    int64_t waiting, window_ns, read_ps;
    int poller;
    char aligned;
    long long cut_ns, up_ns, delayed_ns, resume_ns, frames_lost, read_size;
} Path;

static PyTypeObject *path_type, *transit_type;
static PyObject *send_wire_name, *overfull_name;

static int send_now(Line *line, PyObject *frame);
static int arrived(Line *line, int64_t at_ns, PyObject *data);
static int read_failed(Line *line, int error);

/* ---- queues */

static Waiting *front(Queue *queue)
{
    return queue->items + queue->begin;
}

/* 0, or -1 with an exception. Takes a reference to `what`. */
static int put(Queue *queue, Waiting item)
{
    if (queue->count == queue->room) {
        size_t room = queue->room ? 2 * queue->room : 16;
        Waiting *items = PyMem_Malloc(room * sizeof *items);
        if (!items) {
            PyErr_NoMemory();
            return -1;
        }
        for (size_t i = 0; i < queue->count; i++)
            items[i] = queue->items[(queue->begin + i) & (queue->room - 1)];
        PyMem_Free(queue->items);
        *queue = (Queue){items, 0, queue->count, room};
    }
    Py_XINCREF(item.what);
    queue->items[(queue->begin + queue->count++) & (queue->room - 1)] = item;
    return 0;
}

/* The caller has its reference. */
static Waiting take(Queue *queue)
{
    Waiting item = *front(queue);
    queue->begin = (queue->begin + 1) & (queue->room - 1);
    queue->count--;
    return item;
}

static void drop_all(Queue *queue)
{
    while (queue->count)
        Py_XDECREF(take(queue).what);
    PyMem_Free(queue->items);
    *queue = (Queue){0};
}

/* ---- who is due, the soonest first; of the same instant, the first */

static int before(const Due *a, const Due *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->made < b->made);
}

/* 0, or -1 with an exception. */
static int transit_add(Transit *transit, int64_t at_ns, Line *line, int what)
{
    if (transit->count == transit->room) {
        size_t room = transit->room ? 2 * transit->room : 64;
        Due *heap = PyMem_Realloc(transit->heap, room * sizeof *heap);
        if (!heap) {
            PyErr_NoMemory();
            return -1;
        }
        transit->heap = heap;
        transit->room = room;
    }
    Due due = {at_ns, transit->made++, (Line *)Py_NewRef(line), what};
    size_t at = transit->count++;
    for (; at && before(&due, transit->heap + (at - 1) / 2); at = (at - 1) / 2)
        transit->heap[at] = transit->heap[(at - 1) / 2];
    transit->heap[at] = due;
    if (at_ns >= transit->armed_ns)
        return 0;
    PyObject *instant = PyLong_FromLongLong(at_ns);
    int failed = instant ? truth(PyObject_CallOneArg(transit->wake, instant)) : -1;
    Py_XDECREF(instant);
    return failed < 0 ? -1 : 0;
}

/* The caller has its reference to the line. */
static Due transit_take(Transit *transit)
{
    Due first = transit->heap[0], last = transit->heap[--transit->count];
    size_t at = 0, child;
    for (; (child = 2 * at + 1) < transit->count; at = child) {
        if (child + 1 < transit->count && before(transit->heap + child + 1, transit->heap + child))
            child++;
        if (!before(transit->heap + child, &last))
            break;
        transit->heap[at] = transit->heap[child];
    }
    transit->heap[at] = last;
    return first;
}

/* ---- what the line calls: 1, 0, or -1 with an exception */

static int hand(Line *line, PyObject *what)
{
    if (!line->owner || line->owner == Py_None)
        return 0;
    if (!PyBytes_Check(what))
        return send_now(line, what);
    return truth(PyObject_CallMethodOneArg(line->owner, send_wire_name, what)) < 0 ? -1 : 1;
}

static int path_send(Path *path, Line *line, PyObject *what, int64_t size)
{
    int audio = !PyBytes_Check(what);
    if (audio && path->waiting > WAITING_MAX)
        return truth(PyObject_CallMethodNoArgs(line->owner, overfull_name));
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC), at_ns = passes(&path->up, now_ns, size, path->cut_ns);
    if (at_ns == NEVER) {
        path->up_ns = NEVER;
        path->frames_lost += audio;
        return 1;
    }
    path->up_ns = at_ns = (at_ns + GRID_NS / 2) / GRID_NS * GRID_NS;
    if (at_ns <= now_ns && !path->sending.count) {
        path->up_ns = now_ns;
        return hand(line, what);
    }
    if (put(&path->sending, (Waiting){at_ns, 0, size, what, 0}))
        return -1;
    path->waiting += size;
    return path->sending.count == 1 && transit_add(path->transit, at_ns, line, UP) ? -1 : 1;
}

static int give(Path *path, Line *line, const Waiting *item)
{
    if (!line->owner || line->owner == Py_None)
        return 0;
    path->delayed_ns = item->at_ns - item->stamp_ns;
    if (!item->what)
        return read_failed(line, item->error);
    return arrived(line, item->at_ns, Py_NewRef(item->what));
}

/* Whether these bytes are whole messages of a server. */
static int are_whole(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size) {
        size_t left = size - at, header = 2, length;
        if (left < header || (length = bytes[at + 1]) > LENGTH_64)
            return 0;
        if (length >= LENGTH_16) {
            size_t more = length == LENGTH_16 ? 2 : 8;
            header += more;
            if (left < header)
                return 0;
            length = 0;
            for (size_t i = 0; i < more; i++)
                length = length << 8 | bytes[at + 2 + i];
        }
        if (length > left - header)
            return 0;
        at += header + length;
    }
    return 1;
}

static int path_came(Path *path, Line *line, const uint8_t *bytes, int64_t size, int error)
{
    int64_t stamp_ns = line->arrived_ns, at_ns = passes(&path->down, stamp_ns, size > 0 ? size : 1, path->cut_ns);
    if (at_ns == NEVER) {
        path->resume_ns = NEVER;
        return 0;
    }
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (size <= 0) {
        path->resume_ns = NEVER;
    } else {
        int64_t resume_ns = later(path->down.free_ns - path->window_ns, now_ns + size * path->read_ps / 1000);
        path->resume_ns = resume_ns > now_ns ? resume_ns : 0;
    }
    if (!path->coming.count)
        path->aligned = line->between;
    if (size > 0 && path->aligned) {
        int held = hold_alike(line, bytes, (size_t)size, at_ns);
        if (held)
            return held;
        path->aligned = (char)are_whole(bytes, (size_t)size);
    }
    PyObject *what = error ? NULL : PyBytes_FromStringAndSize((const char *)bytes, size);
    if (!error && !what)
        return -1;
    Waiting item = {at_ns, stamp_ns, size, what, error};
    int now = at_ns <= now_ns && !path->coming.count, failed = now ? give(path, line, &item) : put(&path->coming, item);
    Py_XDECREF(what);
    return failed || now ? failed : path->coming.count > 1 ? 0 : transit_add(path->transit, at_ns, line, DOWN);
}

static int path_pause(Path *path, Line *line, int poller)
{
    if (epoll_ctl(poller, EPOLL_CTL_DEL, line->fd, NULL)) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    path->poller = poller;
    return path->resume_ns == NEVER ? 0 : transit_add(path->transit, path->resume_ns, line, READ);
}

static int path_due(Path *path, Line *line, int what, int64_t now_ns)
{
    if (what == READ) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = line->fd};
        path->resume_ns = 0;
        if (!epoll_ctl(path->poller, EPOLL_CTL_ADD, line->fd, &event))
            return 0;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    Queue *queue = what == UP ? &path->sending : &path->coming;
    int done = 0;
    while (done >= 0 && queue->count && front(queue)->at_ns <= now_ns) {
        Waiting item = take(queue);
        if (what == UP) {
            path->waiting -= item.size;
            done = hand(line, item.what);
        } else {
            done = give(path, line, &item);
        }
        Py_XDECREF(item.what);
    }
    struct failure first = {0};
    if (done < 0)
        keep_first(&first);
    if (queue->count && transit_add(path->transit, front(queue)->at_ns, line, what))
        keep_first(&first);
    if (!first.type)
        return 0;
    PyErr_Restore(first.type, first.value, first.trace);
    return -1;
}

/* ---- the objects */

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
