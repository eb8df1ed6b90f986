// A DNS server with authority for one small zone (RFC 1035, UDP). Try it: run it, then `dig @127.0.0.1 -p 8053
// www.example.test`, and with AAAA or TXT, or for other names. PORT and HOST choose the address; Ctrl-C ends it.
import { closeAll, Dispatcher, formatAddress, SOCK_DGRAM } from "asyncore";

const [NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED] = [0, 1, 3, 4, 5] as const;
const [A, TXT, AAAA] = [1, 16, 28];
const ZONE = "example.test";
const records: readonly (readonly [name: string, type: number, data: Buffer])[] = [
  [ZONE, TXT, Buffer.from("\u0013hello from asyncore")],
  [`www.${ZONE}`, A, Buffer.of(192, 0, 2, 2)],
  [`www.${ZONE}`, AAAA, Buffer.from("20010db8000000000000000000000002", "hex")],
];

function answer(query: Buffer): Buffer {
  if ((query.readUInt8(2) & 0x78) !== 0) return reply(query, 12, NOTIMP);
  // One question; and in it no compression pointer, which could lead nowhere but into a circle.
  const labels: string[] = [];
  let at = 12;
  for (let size = query[at] ?? 64; size !== 0; size = query[at] ?? 64) {
    if (size > 63 || at + size > 265) return reply(query, 12, FORMERR);
    labels.push(query.toString("latin1", at + 1, (at += size + 1)).replaceAll(".", "\\046"));
  }
  const end = at + 5;
  if (query.readUInt16BE(4) !== 1 || end > query.length) return reply(query, 12, FORMERR);
  const name = labels.join(".").toLowerCase();
  const inZone = query.readUInt16BE(at + 3) === 1 && `.${name}`.endsWith(`.${ZONE}`);
  const found = records.filter((record) => inZone && record[0] === name);
  if (found.length === 0) return reply(query, end, inZone ? NXDOMAIN : REFUSED);
  const asked = found.filter((record) => record[1] === query.readUInt16BE(at + 1));
  // Each is of the name asked for (0xc00c points to it), class IN, and good for 60 seconds.
  const fields = (type: number, size: number): number[] => [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, size];
  const answers = asked.flatMap(([, type, data]) => [Buffer.of(...fields(type, data.length)), data]);
  return Buffer.concat([reply(query, end, NOERROR, asked.length), ...answers]);
}

function reply(query: Buffer, end: number, code: number, count = 0): Buffer {
  const flags = 0x80 | (query.readUInt8(2) & 0x79) | (code === NOERROR || code === NXDOMAIN ? 0x04 : 0);
  const head = Buffer.of(flags, code, 0, end > 12 ? 1 : 0, 0, count, 0, 0, 0, 0);
  return Buffer.concat([query.subarray(0, 2), head, query.subarray(12, end)]);
}

class DnsServer extends Dispatcher {
  override handleRead(): void {
    for (let next = this.recvfrom(); next !== null; next = this.recvfrom()) {
      const [query, client] = next;
      // No answer to an answer, or two servers would talk for ever.
      if (query.length >= 12 && query.readUInt8(2) < 0x80) this.sendto(answer(query), client);
    }
  }
  // An answer that cannot be sent is no reason to close.
  override handleError(error: unknown): void {
    this.logInfo(String(error), "error");
  }
}

const server = new DnsServer();
server.createSocket({ type: SOCK_DGRAM });
server.bind([process.env["HOST"] ?? "127.0.0.1", Number(process.env["PORT"] ?? 8053)]);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => closeAll());
console.log(`DNS for ${ZONE} on ${formatAddress(server.getsockname())}`);
