/* Bytes of the wire: frames masked, messages told apart, arrival stamps read. No socket and no call of Python code; buffers are static,
 * as all of it runs under the interpreter's lock. Included by `_line.h`.
 */
#include <Python.h>

#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

enum { READ_SIZE = 1 << 16, FRAME_MAX = (1 << 16) + 16, AT_ONCE = 4096, KEYS = 1024, KEY_SIZE = 4 };
enum { WHOLE_TEXT = 0x81, WHOLE_BINARY = 0x82, LENGTH_16 = 126, LENGTH_64 = 127, HEADER_16 = 4, HELD_MAX = 16, LONGEST_ID = 128 };
static const int64_t NS_PER_S = 1000000000, OLDEST_NS = 60 * (int64_t)1000000000;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

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

/* Whether these bytes are one whole message, with this first byte and a 16-bit length, as most reads of a call are. */
static int is_whole(const uint8_t *bytes, size_t size, uint8_t first)
{
    return size > HEADER_16 + 125 && bytes[0] == first && bytes[1] == LENGTH_16 && size - HEADER_16 == ((size_t)bytes[2] << 8 | bytes[3]);
}

/* Whether any byte of the audio has the flag that is asked for: 256 of them for each byte of a sample. `at`: where in a sample it begins. */
static int has_any(const uint8_t *audio, size_t size, size_t at, const uint8_t *flags, size_t width)
{
    for (size_t i = 0; i < size; i++)
        if (flags[256 * ((at + i) % width) + audio[i]])
            return 1;
    return 0;
}

static int sextet(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* As `has_any`, of so many bytes in base64; what is broken, and what stands behind it, is not looked at. */
static int has_any_encoded(const char *text, size_t bytes, const uint8_t *flags, size_t width)
{
    for (size_t at = 0; at < bytes; at += 3, text += 4) {
        size_t size = bytes - at < 3 ? bytes - at : 3;
        uint32_t group = 0;
        for (size_t i = 0; i < 4; i++) {
            int value = i <= size ? sextet(text[i]) : 0;
            if (value < 0)
                return 0;
            group = group << 6 | (uint32_t)value;
        }
        uint8_t audio[3] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
        if (has_any(audio, size, at, flags, width))
            return 1;
    }
    return 0;
}

/* Samples in so many bytes of audio; -1 for none, and for no whole number. */
static long long whole_samples(size_t bytes, size_t width)
{
    return bytes && bytes % width == 0 ? (long long)(bytes / width) : -1;
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
    size_t asked = count ? (size_t)PyBytes_GET_SIZE(PyTuple_GET_ITEM(alike, 0)) : 1, width = asked ? asked / 256 : 2;
    if (asked % 256)
        return -1;
    const uint8_t *flags = (const uint8_t *)PyBytes_AS_STRING(PyTuple_GET_ITEM(alike, 0));
    if (count == 1)
        return asked && !has_any((const uint8_t *)text, size, 0, flags, width) ? -1 : whole_samples(size, width);
    if (count < 3 || !goes_on_with(text, size, 0, PyTuple_GET_ITEM(alike, 1)))
        return -1;
    size_t at = (size_t)PyBytes_GET_SIZE(PyTuple_GET_ITEM(alike, 1));
    for (Py_ssize_t i = 2; i < count - 1; i++) {
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
    size_t padding = end[-1] != '=' ? 0 : end[-2] != '=' ? 1 : 2, bytes = length / 4 * 3 - padding;
    return asked && !has_any_encoded(text + at, bytes, flags, width) ? -1 : whole_samples(bytes, width);
}
