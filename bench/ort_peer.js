// ONNX Runtime through its node binding, for bench/engine: one session a model, one intra-op thread.
//
//   node ort_peer.js DIRECTORY_OF_onnxruntime-node
//
// Each line of standard input is "FILE COUNT": runs the model COUNT times on an image (UINT8 or FLOAT) and answers with one line of
// JSON, the milliseconds of each call. A model that cannot be run gives {"error": "..."}.
'use strict';
const ort = require(process.argv[2]);
const sessions = new Map();

async function open(file) {
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all',
  });
  const shape = session.inputMetadata[0].shape.map((extent) => (typeof extent === 'number' ? extent : 1));
  const type = session.inputMetadata[0].type;
  const bytes = new Uint8Array(shape.reduce((a, b) => a * b, 1)).map((_, i) => (i * 7919) % 251);
  const data = type === 'uint8' ? bytes : Float32Array.from(bytes, (byte) => byte / 125 - 1);
  return {session, feeds: {[session.inputNames[0]]: new ort.Tensor(type, data, shape)}};
}

async function measure(file, count) {
  if (!sessions.has(file)) sessions.set(file, await open(file));
  const {session, feeds} = sessions.get(file);
  const milliseconds = [];
  for (let i = 0; i < count; ++i) {
    const start = process.hrtime.bigint();
    await session.run(feeds);
    milliseconds.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  return milliseconds;
}

(async () => {
  for await (const line of require('readline').createInterface({input: process.stdin})) {
    const [file, count] = line.split(' ');
    let answer;
    try {
      answer = await measure(file, Number(count));
    } catch (error) {
      answer = {error: error.message};
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
})();
