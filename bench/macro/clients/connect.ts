/** Opens many raw Bun connections to a server on this machine, some at a time. */
import type { Socket, SocketHandler } from "bun";

import { within } from "../server-process.ts";

const AT_ONCE = 128;

/** `dataOf` makes what `wire.data` is. @throws {Error} when one cannot connect, or not in time */
export async function connectAll<D>(
  count: number,
  port: number,
  socket: SocketHandler<D>,
  dataOf: (index: number) => D,
  localAddressOf: (index: number) => string | undefined = () => undefined,
): Promise<Socket<D>[]> {
  const wires: Socket<D>[] = [];
  for (let index = 0; index < count; index += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - index) }, (_, offset) => {
      const localAddress = localAddressOf(index + offset);
      const from = localAddress === undefined ? {} : { localAddress };
      return Bun.connect({ hostname: "127.0.0.1", port, socket, data: dataOf(index + offset), ...from });
    });
    wires.push(...(await within(Promise.all(batch), `${count} connections`)));
  }
  return wires;
}
