/* Connections of peer.c: their state, and writing to them without ever blocking. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <errno.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "script.h"
#include "wire.h"

static const size_t UNSENT_MAX = 16u << 20;

struct buffer {
    uint8_t *bytes;
    size_t length, capacity;
};

struct connection {
    int fd;           /* -1 once closed; the structure lives on until the events at hand are handled */
    uint32_t session; /* 0: not a WebSocket yet */
    struct buffer unread, unsent;
    struct response *current, *live; /* being answered with; all that are not over */
    struct connection *next_closed;
    int speaking;
    uint32_t utterances;
    uint64_t silent_samples, samples; /* of the silence at hand; of the utterance at hand */
    struct utterance heard;
};

/* Messages that leave in one system call. */
struct batch {
    uint8_t bytes[4096];
    size_t length;
};

/* The wire that is spoken. RAW: PCM16 at 16 kHz as binary messages, and nothing else. TWILIO: the bot's side of Twilio's media streams. */
static enum { OPENAI, RAW, TWILIO } wire;
static const int samples_per_ms[] = {24, 16, 8};

static int poller;
static struct connection *closed_connections;
static uint32_t sessions_open;
static uint64_t messages_sent;

static void append(struct buffer *buffer, const void *bytes, size_t length)
{
    if (buffer->length + length > buffer->capacity) {
        buffer->capacity = 2 * (buffer->length + length);
        if (!(buffer->bytes = realloc(buffer->bytes, buffer->capacity)))
            die("memory");
    }
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

static void discard(struct buffer *buffer, size_t length)
{
    buffer->length -= length;
    memmove(buffer->bytes, buffer->bytes + length, buffer->length);
}

static void watch(struct connection *c, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &event))
        die("epoll_ctl");
}

static void leave_timetable(struct response *r)
{
    r->step = STEP_OVER;
    r->connection = NULL;
    r->timer++;
    free(r->head);
    r->head = NULL;
}

static void drop_connection(struct connection *c)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    for (struct response *r = c->live; r; r = r->next)
        leave_timetable(r);
    c->current = c->live = NULL;
    sessions_open -= c->session != 0;
    c->next_closed = closed_connections;
    closed_connections = c;
}

static void free_closed_connections(void)
{
    while (closed_connections) {
        struct connection *c = closed_connections;
        closed_connections = c->next_closed;
        free(c->unread.bytes);
        free(c->unsent.bytes);
        free(c);
    }
}

/* What the kernel does not take now is kept and sent when it does. */
static void send_parts(struct connection *c, const struct iovec *parts, size_t count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};
    int was_waiting = c->unsent.length > 0;
    ssize_t taken = was_waiting ? 0 : sendmsg(c->fd, &message, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN) {
        drop_connection(c);
        return;
    }
    size_t skip = taken > 0 ? (size_t)taken : 0;
    for (size_t i = 0; i < count; i++) {
        size_t left = skip < parts[i].iov_len ? parts[i].iov_len - skip : 0;
        if (left)
            append(&c->unsent, (uint8_t *)parts[i].iov_base + skip, left);
        skip -= left ? skip : parts[i].iov_len;
    }
    if (c->unsent.length > UNSENT_MAX)
        drop_connection(c);
    else if (c->unsent.length && !was_waiting)
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void send_unsent(struct connection *c)
{
    ssize_t taken = send(c->fd, c->unsent.bytes, c->unsent.length, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN) {
        drop_connection(c);
        return;
    }
    discard(&c->unsent, taken > 0 ? (size_t)taken : 0);
    if (!c->unsent.length)
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void add_text(struct batch *batch, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    batch->length += (size_t)vsnprintf((char *)batch->bytes + batch->length, sizeof batch->bytes - batch->length, format, values);
    va_end(values);
}

/* An event of OpenAI's wire: the others have none of them. */
static void add_message(struct batch *batch, const char *format, ...)
{
    char text[1024];
    if (wire != OPENAI)
        return;
    va_list values;
    va_start(values, format);
    size_t length = (size_t)vsnprintf(text, sizeof text, format, values);
    va_end(values);
    batch->length += ws_header(batch->bytes + batch->length, WS_TEXT, 0, length);
    memcpy(batch->bytes + batch->length, text, length);
    batch->length += length;
    messages_sent++;
}

static void send_batch(struct connection *c, struct batch *batch)
{
    struct iovec part = {batch->bytes, batch->length};
    if (c->fd >= 0 && batch->length)
        send_parts(c, &part, 1);
}

#endif
