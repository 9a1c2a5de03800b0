/* The benchmark's streaming in k6: connect, send a prepared frame every BENCH_FRAME_MS on an absolute timetable, count what arrives.
 *
 *     k6 run k6.js        with the variables BENCH_* that benchmarks/ways.py sets
 *
 * Each virtual user is one talker: speech for the first BENCH_SPEECH_S of each BENCH_CYCLE_S, silence for the rest, for BENCH_LIFE_S. Lateness
 * is taken of every tenth frame, as k6 keeps each value, and in whole milliseconds, as its clock has no more. BENCH_RESULT gets one JSON object.
 */
import encoding from 'k6/encoding';
import { Counter, Trend } from 'k6/metrics';
import { setTimeout } from 'k6/timers';
import { WebSocket } from 'k6/websockets';

const TALKERS = Number(__ENV.BENCH_TALKERS);
const FRAME_MS = Number(__ENV.BENCH_FRAME_MS);
const RAMP_MS = 1000 * Number(__ENV.BENCH_RAMP_S);
const LIFE_MS = 1000 * Number(__ENV.BENCH_LIFE_S);
const SPEECH_MS = 1000 * Number(__ENV.BENCH_SPEECH_S);
const CYCLE_MS = 1000 * Number(__ENV.BENCH_CYCLE_S);
const SETTINGS = JSON.stringify({
  type: 'session.update',
  session: { type: 'realtime', audio: { input: { turn_detection: { type: 'server_vad', silence_duration_ms: 200 } } } },
});
const SILENT = append(() => 0);
const LOUD = append((i) => (i * 7919) % 251);

const lateness = new Trend('send_lateness_ms');
const missed = new Counter('frames_missed');
const failed = new Counter('sessions_failed');
const received = new Counter('bytes_received');

export const options = {
  scenarios: {
    talkers: { executor: 'per-vu-iterations', vus: TALKERS, iterations: 1, maxDuration: `${Math.ceil((RAMP_MS + LIFE_MS) / 1000) + 30}s` },
  },
  summaryTrendStats: ['p(99)'],
};

function append(byte) {
  const pcm = Uint8Array.from({ length: 48 * FRAME_MS }, (_, i) => byte(i));
  return JSON.stringify({ type: 'input_audio_buffer.append', audio: encoding.b64encode(pcm.buffer) });
}

export default function () {
  setTimeout(talk, (RAMP_MS * (__VU - 1)) / TALKERS);
}

function talk() {
  const socket = new WebSocket(__ENV.BENCH_URL);
  let frame = 0;
  let start = 0;
  let bytes = 0;
  let ended = false;

  function tick() {
    const due = start + frame * FRAME_MS;
    if (ended || due - start >= LIFE_MS) {
      ended = true;
      received.add(bytes);
      socket.close();
      return;
    }
    socket.send((due - start) % CYCLE_MS < SPEECH_MS ? LOUD : SILENT);
    const late = Date.now() - due;
    if (late > FRAME_MS) missed.add(1);
    if (frame % 10 === 0) lateness.add(late);
    frame += 1;
    setTimeout(tick, Math.max(0, due + FRAME_MS - Date.now()));
  }

  socket.onopen = () => {
    socket.send(SETTINGS);
    start = Date.now();
    tick();
  };
  socket.onmessage = (event) => {
    bytes += event.data.length;
  };
  socket.onclose = () => {
    if (!ended) failed.add(1);
    ended = true;
  };
  socket.onerror = socket.onclose;
}

export function handleSummary(data) {
  const count = (name) => (data.metrics[name] ? data.metrics[name].values.count : 0);
  const result = {
    send_lateness_p99_ms: data.metrics.send_lateness_ms.values['p(99)'],
    frames_missed: count('frames_missed'),
    failed: count('sessions_failed'),
    bytes_received: count('bytes_received'),
  };
  return { [__ENV.BENCH_RESULT]: JSON.stringify(result) };
}
