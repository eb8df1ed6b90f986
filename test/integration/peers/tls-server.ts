// An echo with TLS, in a process of its own. argv: handshakeTimeoutMs, `push` or `poll`. stdout: {listening: address}, and
// for each line on stdin {accepted, reasons: {reason: count}}.
import { ChannelMap, loop, poll, streamLimits } from "asyncore";

import { server as identity } from "../../support/certificates.ts";
import { SecureEcho, SecureServer } from "../../support/secure.ts";

const [timeoutMs = "10000", mode = "push"] = process.argv.slice(2);
const say = (answer: object): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
};

const map = new ChannelMap();
// The first pass puts the map into poll mode.
if (mode === "poll") await poll(0, map);
const limits = streamLimits({ handshakeTimeoutMs: Number(timeoutMs) });
const server = new SecureServer(map, identity, SecureEcho, limits);
say({ listening: server.address });
if (mode === "poll") void loop({ map });

for await (const _line of console) {
  const reasons: Record<string, number> = {};
  for (const reason of server.reasons) reasons[reason] = (reasons[reason] ?? 0) + 1;
  say({ accepted: server.accepted.length, reasons });
}
