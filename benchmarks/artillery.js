/* The benchmark's streaming in Artillery: connect, send a prepared frame every BENCH_FRAME_MS on an absolute timetable, count what arrives.
 *
 *     artillery run artillery.yml        with the variables BENCH_* that benchmarks/ways.py sets
 *
 * A wait to the next due instant stands where scripts have `think`: that would sleep for a frame's duration after each send, and so drift away.
 * Each virtual user is one talker: speech for the first BENCH_SPEECH_S of each BENCH_CYCLE_S, silence for the rest, for BENCH_LIFE_S. Lateness
 * is taken of every tenth frame.
 */
'use strict';

const { performance } = require('node:perf_hooks');

const FRAME_MS = Number(process.env.BENCH_FRAME_MS);
const LIFE_MS = 1000 * Number(process.env.BENCH_LIFE_S);
const SPEECH_MS = 1000 * Number(process.env.BENCH_SPEECH_S);
const CYCLE_MS = 1000 * Number(process.env.BENCH_CYCLE_S);
const SETTINGS = JSON.stringify({
  type: 'session.update',
  session: { type: 'realtime', audio: { input: { turn_detection: { type: 'server_vad', silence_duration_ms: 200 } } } },
});
const SILENT = append(() => 0);
const LOUD = append((i) => (i * 7919) % 251);

function append(byte) {
  const pcm = Buffer.from(Array.from({ length: 48 * FRAME_MS }, (_, i) => byte(i)));
  return JSON.stringify({ type: 'input_audio_buffer.append', audio: pcm.toString('base64') });
}

function begin(context, events, done) {
  const talk = { start: performance.now(), frame: 0, bytes: 0 };
  context.talk = talk;
  context.vars.settings = SETTINGS;
  context.ws.on('message', (data) => {
    talk.bytes += data.length;
  });
  done();
}

function waitForFrame(context, events, done) {
  const talk = context.talk;
  const into = talk.frame * FRAME_MS;
  context.vars.frame = into % CYCLE_MS < SPEECH_MS ? LOUD : SILENT;
  setTimeout(done, Math.max(0, talk.start + into - performance.now()));
}

function noteFrame(context, events, done) {
  const talk = context.talk;
  const late = performance.now() - talk.start - talk.frame * FRAME_MS;
  if (late > FRAME_MS) events.emit('counter', 'frames_missed', 1);
  if (talk.frame % 10 === 0) events.emit('histogram', 'send_lateness_ms', late);
  talk.frame += 1;
  done();
}

function goesOn(context, next) {
  next(context.talk.frame * FRAME_MS < LIFE_MS);
}

function end(context, events, done) {
  events.emit('counter', 'bytes_received', context.talk.bytes);
  done();
}

module.exports = { begin, waitForFrame, noteFrame, goesOn, end };
