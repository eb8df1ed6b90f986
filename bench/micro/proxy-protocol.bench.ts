/** PROXY headers by themselves: what each accepted connection behind a proxy pays, and what sending one costs. */
import { do_not_optimize as keep } from "mitata";

import { encodeProxyHeader, ProxyHeaderParser } from "../../src/bytes/proxy-protocol.ts";
import { bench, finish } from "./harness.ts";

const addresses = { source: ["192.0.2.1", 56324], destination: ["192.0.2.9", 443] } as const;
const v1 = encodeProxyHeader({ ...addresses, version: 1 });
const v2 = encodeProxyHeader(addresses);
const v2Checked = encodeProxyHeader({ ...addresses, checksum: true });

for (const [name, header] of [
  ["version 1", v1],
  ["version 2", v2],
  ["version 2 with a checksum", v2Checked],
] as const) {
  await bench(`parse ${name}`, () => {
    const parser = new ProxyHeaderParser();
    parser.push(header);
    return keep(parser.header);
  });
}
await bench("encode version 1", () => keep(encodeProxyHeader({ ...addresses, version: 1 })));
await bench("encode version 2", () => keep(encodeProxyHeader(addresses)));
await finish();
