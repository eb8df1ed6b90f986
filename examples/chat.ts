// A chat room: every line goes to everybody else. Try it: run it, then `nc 127.0.0.1 8008` in two terminals.
// One channel's event changes the queues of others; they are written together when the hook returns. Somebody who
// does not read is cut off at 256 KiB, and nobody else notices.
import { type Address, closeAll, Dispatcher, formatAddress, type Socket, streamLimits } from "asyncore";

const MAX_LINE_BYTES = 4096;
const guests = new Set<Guest>();

class Guest extends Dispatcher {
  static override limits = streamLimits({ maxBufferedBytes: 256 * 1024 });
  readonly #name: string;
  #line = Buffer.alloc(0);

  constructor(socket: Socket, address: Address) {
    super(socket);
    this.#name = formatAddress(address);
    guests.add(this);
    this.send(`* welcome, ${guests.size} here\n`);
    this.#tellOthers(`* ${this.#name} joined\n`);
  }

  override handleRead(): void {
    const lines = Buffer.concat([this.#line, this.recv()]);
    const end = lines.lastIndexOf("\n") + 1;
    for (const line of lines.subarray(0, end).toString().split("\n").slice(0, -1)) {
      this.#tellOthers(`${this.#name}: ${line}\n`);
    }
    this.#line = Buffer.from(lines.subarray(end));
    if (this.#line.length > MAX_LINE_BYTES) throw new Error(`a line of over ${MAX_LINE_BYTES} bytes`);
  }

  override handleClose(): void {
    guests.delete(this);
    this.close();
    this.#tellOthers(`* ${this.#name} left\n`);
  }

  #tellOthers(message: string): void {
    for (const guest of guests) if (guest !== this) guest.send(message);
  }
}

class Room extends Dispatcher {
  override handleAccepted(socket: Socket, address: Address): void {
    new Guest(socket, address);
  }
}

const room = new Room();
room.createSocket();
room.setReuseAddr();
room.bind([process.env["HOST"] ?? "127.0.0.1", Number(process.env["PORT"] ?? 8008)]);
room.listen();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => closeAll());
console.log(`chat room on ${formatAddress(room.getsockname())}`);
