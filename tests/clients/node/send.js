// Sends OTLP with OpenTelemetry's Node SDK: `node send.js SCENARIO PROTOCOL COMPRESSION ENDPOINT RUN`.
//
// SCENARIO is one of the files beside this one. PROTOCOL is grpc, http/protobuf or http/json, COMPRESSION none or gzip.
// RUN is the resource's `test.run`. What the exporters say goes to stderr.

const { diag, DiagLogLevel } = require('@opentelemetry/api');
const { Exporters } = require('./exporters');

const scenarios = ['everything', 'numbered', 'impossible'];

const [scenario, protocol, compression, endpoint, run] = process.argv.slice(2);
if (!scenarios.includes(scenario)) {
  console.error(`no scenario ${scenario}; there are ${scenarios.join(', ')}`);
  process.exit(2);
}
const say = (...parts) => console.error(...parts);
// Retries are announced among much else that is verbose.
const sayRetries = (text) => text.includes('retry') && say(text);
diag.setLogger({ error: say, warn: say, info: say, debug: () => {}, verbose: sayRetries }, DiagLogLevel.ALL);
require(`./${scenario}`)
  .send(new Exporters(protocol, compression, endpoint), run)
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
