/** Frames on `AsyncChat`: four bytes of length, highest first, then the body; each frame is answered with itself. */
import { AsyncChat, Dispatcher, type Socket } from "asyncore";

import { serving } from "./life.ts";

const LENGTH_BYTES = 4;

class Replier extends AsyncChat {
  readonly #frame: Buffer[] = [];
  #inBody = false;

  constructor(socket: Socket) {
    super(socket);
    this.setTerminator(LENGTH_BYTES);
  }
  override collectIncomingData(data: Buffer): void {
    this.#frame.push(data);
  }
  override foundTerminator(): void {
    if (this.#inBody) {
      this.push(Buffer.concat(this.#frame));
      this.#frame.length = 0;
      this.setTerminator(LENGTH_BYTES);
    } else {
      const [first] = this.#frame;
      const length = this.#frame.length === 1 && first !== undefined ? first : Buffer.concat(this.#frame);
      this.setTerminator(length.readUInt32BE(0));
    }
    this.#inBody = !this.#inBody;
  }
}

class FrameServer extends Dispatcher {
  constructor() {
    super();
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    new Replier(socket);
  }
}

const [, port] = new FrameServer().getsockname() as [string, number];
serving(port);
