/* `users/transit.py` in C: a talker's network path, and who hands over what is due. What it means is said there.
 * Included by `_path.h`, which has the objects that Python sees, in `_line.h`, which has the line before them.
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
