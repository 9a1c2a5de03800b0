/* What peer.c and bytes.c share of the wire: base64, the handshake's accept key, WebSocket frame headers, HTTP header lookup.
 * Lengths are bytes. Nothing here allocates.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10, WS_HEADER_MAX = 14 };

/* Writes 4 characters for every 3 bytes, padded; returns how many. No terminator. */
static inline size_t base64_encode(const void *from, size_t length, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = from;
    char *start = to;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t three = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0u);
        *to++ = digits[three >> 18];
        *to++ = digits[three >> 12 & 63];
        *to++ = left > 1 ? digits[three >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[three & 63] : '=';
    }
    return (size_t)(to - start);
}

static inline uint32_t rotate_left(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

static inline void sha1_block(uint32_t state[5], const uint8_t *block)
{
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        w[i] = rotate_left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5A827999u
                         : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1u
                         : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDCu
                                  : (b ^ c ^ d) + 0xCA62C1D6u;
        uint32_t next = rotate_left(a, 5) + mixed + e + w[i];
        e = d, d = c, c = rotate_left(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

enum { SHA1_INPUT_MAX = 183 };

/* SHA-1 of at most SHA1_INPUT_MAX bytes. */
static inline void sha1(const void *data, size_t length, uint8_t digest[20])
{
    uint32_t state[5] = {0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u, 0xC3D2E1F0u};
    uint8_t padded[192] = {0};
    size_t total = (length + 9 + 63) / 64 * 64;
    memcpy(padded, data, length);
    padded[length] = 0x80;
    padded[total - 2] = (uint8_t)(length * 8 >> 8);
    padded[total - 1] = (uint8_t)(length * 8);
    for (size_t at = 0; at < total; at += 64)
        sha1_block(state, padded + at);
    for (int i = 0; i < 20; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key, terminated. */
static inline void accept_value(const char *key, size_t length, char accept[29])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char joined[SHA1_INPUT_MAX];
    uint8_t digest[20];
    if (length > 100)
        length = 100;
    memcpy(joined, key, length);
    memcpy(joined + length, guid, sizeof guid - 1);
    sha1(joined, length + sizeof guid - 1, digest);
    accept[base64_encode(digest, sizeof digest, accept)] = 0;
}

/* Header of an unfragmented frame, without a mask key; returns its length. `mask_bit`: 0x80 when a key will follow. */
static inline size_t ws_header(uint8_t *to, int opcode, uint8_t mask_bit, uint64_t length)
{
    int wide = length > 0xFFFF ? 8 : length > 125 ? 2 : 0;
    to[0] = (uint8_t)(0x80 | opcode);
    to[1] = mask_bit | (wide == 8 ? 127 : wide == 2 ? 126 : (uint8_t)length);
    for (int i = 0; i < wide; i++)
        to[2 + i] = (uint8_t)(length >> 8 * (wide - 1 - i));
    return 2 + (size_t)wide;
}

/* A header's value in an HTTP head that ends in an empty line, spaces trimmed; NULL where absent. Names match in any case. */
static inline const char *header_value(const char *head, size_t head_length, const char *name, size_t *length)
{
    const char *end = head + head_length, *line = head;
    size_t name_length = strlen(name);
    while ((line = memchr(line, '\n', (size_t)(end - line))) && ++line < end) {
        const char *stop = memchr(line, '\r', (size_t)(end - line));
        if (!stop || (size_t)(stop - line) <= name_length || line[name_length] != ':' || strncasecmp(line, name, name_length))
            continue;
        for (line += name_length + 1; line < stop && *line == ' '; line++)
            ;
        while (stop > line && stop[-1] == ' ')
            stop--;
        *length = (size_t)(stop - line);
        return line;
    }
    return NULL;
}

#endif
